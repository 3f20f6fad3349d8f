import { readFileSync } from 'node:fs';
import { isGlibc } from '../linux/libc.ts';
import { inPrefix, parseIpv6, parsePrefix } from '../wire/index.ts';
import type { Ipv6, Ipv6Prefix } from '../wire/index.ts';

/** In which order `getaddrinfo` gives the addresses of a name that has a Teredo and an IPv4 address, on a host with both. */
export interface AddressOrder {
  /** As RFC 6724 section 2.1 wants it. */
  readonly ipv4First: boolean;
  /** What to add to {@link GAI_CONF} for that; empty where nothing is to be added, or a line that is there says otherwise. */
  readonly missingLines: readonly string[];
}

interface Precedence {
  readonly prefix: Ipv6Prefix;
  readonly value: number;
}

/** Where glibc reads precedences from: gai.conf(5). */
export const GAI_CONF = '/etc/gai.conf';

const TEREDO_LINE = 'precedence 2001::/32 5';
/** RFC 6724 section 2.1. All of it, since glibc forgets its own table with the first line of the file. */
const RFC_TABLE = [
  'precedence ::1/128 50',
  'precedence ::/0 40',
  'precedence ::ffff:0:0/96 35',
  'precedence 2002::/16 30',
  TEREDO_LINE,
  'precedence fc00::/7 3',
  'precedence ::/96 1',
  'precedence fec0::/10 1',
];
/** glibc's own table, of RFC 3484 section 2.1, which knows no Teredo. */
const OLD_TABLE = [
  'precedence ::1/128 50',
  'precedence ::/0 40',
  'precedence 2002::/16 30',
  'precedence ::/96 20',
  'precedence ::ffff:0:0/96 10',
];
/** What glibc gives an address that no line of the file is for. */
const OTHERWISE = 40;

const TEREDO = parseIpv6('2001:0:cb00:7178::1')!;
const IPV4 = parseIpv6('::ffff:192.0.2.1')!;

/** Of this host; undefined where its C library is none that is known to lack the precedence of 2001::/32. */
export function addressOrderHere(): AddressOrder | undefined {
  if (!isGlibc()) return undefined;
  return addressOrder(readQuietly(GAI_CONF));
}

/** As glibc does with this text as gai.conf. */
export function addressOrder(gaiConf: string): AddressOrder {
  const lines = gaiConf.split('\n');
  if (isIpv4First(lines)) return { ipv4First: true, missingLines: [] };
  const added = hasTable(lines) ? [TEREDO_LINE] : RFC_TABLE;
  return { ipv4First: false, missingLines: isIpv4First([...lines, ...added]) ? added : [] };
}

function hasTable(lines: readonly string[]): boolean {
  return lines.some((line) => parseLine(line) !== undefined);
}

function isIpv4First(lines: readonly string[]): boolean {
  const own = lines.flatMap((line) => parseLine(line) ?? []);
  const table = own.length > 0 ? own : OLD_TABLE.map((line) => parseLine(line)!);
  return precedenceOf(table, IPV4) > precedenceOf(table, TEREDO);
}

function precedenceOf(table: readonly Precedence[], address: Ipv6): number {
  const matching = table.filter(({ prefix }) => inPrefix(address, 0, prefix));
  const longest = Math.max(...matching.map(({ prefix }) => prefix.length));
  return matching.find(({ prefix }) => prefix.length === longest)?.value ?? OTHERWISE;
}

/** `precedence PREFIX VALUE`; undefined for every other line, and for one that glibc does not take. */
function parseLine(line: string): Precedence | undefined {
  const [keyword, prefixText = '', valueText = ''] = line.replace(/#.*/, '').trim().split(/\s+/);
  if (keyword !== 'precedence' || !/^\d+$/.test(valueText)) return undefined;
  const prefix = parsePrefix(prefixText.includes('/') ? prefixText : `${prefixText}/128`);
  return prefix && { prefix, value: Number(valueText) };
}

function readQuietly(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // there is none, and glibc uses its own table
  }
}
