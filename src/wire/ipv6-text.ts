import { readUint16, writeUint16 } from './bytes.ts';
import { parseIpv4 } from './ipv4.ts';
import type { Ipv6 } from './ipv6.ts';

/** RFC 5952 text, always in groups of hex digits (no IPv4 tail). */
export function formatIpv6(bytes: Uint8Array, offset = 0): string {
  const { from, to } = longestZeroRun(bytes, offset);
  if (to - from < 2) return groups(bytes, offset, 0, 8);
  return `${groups(bytes, offset, 0, from)}::${groups(bytes, offset, to, 8)}`;
}

/** Reads all text forms of RFC 4291 section 2.2, including an IPv4 tail. Refuses a zone and a prefix length. */
export function parseIpv6(text: string): Ipv6 | undefined {
  const halves = text.split('::');
  if (text.length > LONGEST_TEXT || halves.length > 2) return undefined;
  const compressed = halves.length === 2;
  const head = parseGroups(halves[0], !compressed);
  const tail = compressed ? parseGroups(halves[1], true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (compressed ? missing < 1 : missing !== 0) return undefined;
  const address = new Uint8Array(16);
  head.forEach((group, i) => writeUint16(address, 2 * i, group));
  tail.forEach((group, i) => writeUint16(address, 2 * (head.length + missing + i), group));
  return address;
}

/** "xxxx:xxxx:xxxx:xxxx:xxxx:xxxx:255.255.255.255" */
const LONGEST_TEXT = 45;

function longestZeroRun(bytes: Uint8Array, offset: number): { from: number; to: number } {
  let best = { from: 0, to: 0 };
  let from = 0;
  for (let i = 0; i < 8; i++) {
    if (readUint16(bytes, offset + 2 * i) !== 0) from = i + 1;
    else if (i + 1 - from > best.to - best.from) best = { from, to: i + 1 };
  }
  return best;
}

function groups(bytes: Uint8Array, offset: number, from: number, to: number): string {
  const texts: string[] = [];
  for (let i = from; i < to; i++) texts.push(readUint16(bytes, offset + 2 * i).toString(16));
  return texts.join(':');
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const values: number[] = [];
  for (const [i, part] of parts.entries()) {
    const ipv4 = mayEndInIpv4 && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (ipv4 !== undefined) values.push(ipv4 >>> 16, ipv4 & 0xffff);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) values.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return values;
}
