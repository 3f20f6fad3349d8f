import { readFileSync } from 'node:fs';
import { isGlibc } from '../linux/libc.ts';
import { inPrefix, parseIpv6, parsePrefix } from '../wire/index.ts';
import type { Ipv6, Ipv6Prefix } from '../wire/index.ts';

/** The order in which `getaddrinfo` returns a Teredo and an IPv4 address of the same name, on a host with both. */
export interface AddressOrder {
  /** Whether the order is that of RFC 6724 section 2.1. */
  readonly ipv4First: boolean;
  /** The text to append to {@link GAI_CONF} to get that order; empty if nothing is missing, or if a line there already says otherwise. */
  readonly missingLines: readonly string[];
}

interface Precedence {
  readonly prefix: Ipv6Prefix;
  readonly value: number;
}

/** The file from which glibc reads precedences: gai.conf(5). */
export const GAI_CONF = '/etc/gai.conf';

const TEREDO_LINE = 'precedence 2001::/32 5';
/** The whole table of RFC 6724 section 2.1: the first line in the file makes glibc ignore its built-in table. */
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
/** glibc's built-in table, from RFC 3484 section 2.1. It has no entry for Teredo. */
const OLD_TABLE = [
  'precedence ::1/128 50',
  'precedence ::/0 40',
  'precedence 2002::/16 30',
  'precedence ::/96 20',
  'precedence ::ffff:0:0/96 10',
];
/** The precedence that glibc uses if no line of the file matches the address. */
const OTHERWISE = 40;

const TEREDO = parseIpv6('2001:0:cb00:7178::1')!;
const IPV4 = parseIpv6('::ffff:192.0.2.1')!;

/** The order on this host; undefined if its C library is not known to lack the precedence of 2001::/32. */
export function addressOrderHere(): AddressOrder | undefined {
  if (!isGlibc()) return undefined;
  return addressOrder(readQuietly(GAI_CONF));
}

/** The order that glibc would use if gai.conf held this text. */
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

/** Reads `precedence PREFIX VALUE`; undefined for every other line, and for a line that glibc rejects. */
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
    return ''; // no such file: glibc uses its own table
  }
}
