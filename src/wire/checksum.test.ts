import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv6, uint8 } from '../../test/support/arbitraries.ts';
import { bytesOf } from '../../test/support/vectors.ts';
import { writeUint16 } from './bytes.ts';
import { internetChecksum, transportChecksum } from './checksum.ts';
import { IPV6_HEADER, NEXT_HEADER, writeIpv6Header } from './ipv6.ts';

/** The definition of RFC 1071, with integers that cannot overflow. */
function reference(b: Uint8Array): number {
  let sum = 0n;
  for (const [i, octet] of b.entries()) sum += BigInt(octet) << (i % 2 === 0 ? 8n : 0n);
  while (sum >> 16n !== 0n) sum = (sum & 0xffffn) + (sum >> 16n);
  return Number(sum) ^ 0xffff;
}

test("RFC 1071's example", () => {
  expect(internetChecksum(bytesOf('0001f203f4f5f6f7'), 0, 8)).toBe(0xddf2 ^ 0xffff);
});

test('the checksum equals that of the reference, odd lengths included', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(7), fc.nat(7), (octets, before, start) => {
      const b = Uint8Array.of(...new Uint8Array(before), ...octets).subarray(before);
      const end = Math.max(start, b.length);
      expect(internetChecksum(b, start, end)).toBe(reference(b.subarray(start)));
    }),
  );
});

test('the largest packet of all ones does not overflow', () => {
  const b = new Uint8Array(IPV6_HEADER + 65535).fill(0xff);
  expect(internetChecksum(b, 0, b.length)).toBe(reference(b));
  const pseudo = new Uint8Array(40).fill(0xff);
  writeUint16(pseudo.fill(0, 32), 34, 65535);
  pseudo[39] = 0xff;
  const expected = reference(Uint8Array.of(...pseudo, ...b.subarray(IPV6_HEADER)));
  expect(transportChecksum(b, 0, 0xff, IPV6_HEADER, b.length)).toBe(expected);
});

test('an upper-layer packet with its checksum stored sums up to 0', () => {
  const payload = fc.uint8Array({ minLength: 8, maxLength: 60 });
  fc.assert(
    fc.property(ipv6, ipv6, payload, uint8, (source, destination, data, protocol) => {
      const b = new Uint8Array(IPV6_HEADER + data.length);
      const header = { payloadLength: data.length, nextHeader: protocol, hopLimit: 1, source, destination };
      writeIpv6Header(b, 0, header);
      b.set(data, IPV6_HEADER);
      writeUint16(b, IPV6_HEADER + 6, 0);
      writeUint16(b, IPV6_HEADER + 6, transportChecksum(b, 0, protocol, IPV6_HEADER, b.length));
      expect(transportChecksum(b, 0, protocol, IPV6_HEADER, b.length)).toBe(0);
    }),
  );
});

test('a UDP packet, word by word', () => {
  // fe80::1 port 1 to fe80::2 port 2, "hi!"; its words are added one by one below.
  const b = new Uint8Array(IPV6_HEADER + 11);
  const source = bytesOf('fe800000000000000000000000000001');
  const destination = bytesOf('fe800000000000000000000000000002');
  writeIpv6Header(b, 0, { payloadLength: 11, nextHeader: NEXT_HEADER.UDP, hopLimit: 1, source, destination });
  b.set(bytesOf('00010002000b0000686921'), IPV6_HEADER);
  const sum = 2 * 0xfe80 + 1 + 2 + 11 + 17 + 1 + 2 + 11 + 0x6869 + 0x2100;
  const folded = (sum & 0xffff) + (sum >>> 16);
  expect(transportChecksum(b, 0, NEXT_HEADER.UDP, IPV6_HEADER, b.length)).toBe(folded ^ 0xffff);
});
