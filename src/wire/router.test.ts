import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv4, ipv6, uint32 } from '../../test/support/arbitraries.ts';
import { bytesOf, payloadOf } from '../../test/support/vectors.ts';
import { toHex, writeUint32 } from './bytes.ts';
import { sealIcmpv6 } from './icmpv6.ts';
import { parseIpv4 } from './ipv4.ts';
import { DESTINATION, IPV6_HEADER, SOURCE, checkIpv6 } from './ipv6.ts';
import type { RouterAdvertisement } from './router.ts';
import {
  buildRouterAdvertisement,
  buildRouterSolicitation,
  checkRouterSolicitation,
  parseRouterAdvertisement,
} from './router.ts';
import { makeLinkLocal, teredoPrefix } from './teredo-address.ts';

const solicitation = () => payloadOf('EX5');
const advertisement = () => payloadOf('EX6').subarray(8);

/** A copy with `octets` at an offset and, by default, a corrected checksum. */
function changed(b: Uint8Array, offset: number, octets: string, seal = true): Uint8Array {
  b.set(bytesOf(octets), offset);
  if (seal) sealIcmpv6(b, 0);
  return b;
}

/** A copy with these octets as options, valid or not. */
function extended(b: Uint8Array, options: string): Uint8Array {
  const longer = Uint8Array.of(...b, ...bytesOf(options));
  longer[5] = longer.length - IPV6_HEADER;
  sealIcmpv6(longer, 0);
  return longer;
}

const SOURCE_LINK_LAYER = '0102aabbccddeeff0011223344556677';

test('a solicitation is built as in EX5 (C-20)', () => {
  expect(buildRouterSolicitation(solicitation().slice(SOURCE, DESTINATION))).toEqual(solicitation());
  fc.assert(
    fc.property(ipv6, (source) => {
      const b = buildRouterSolicitation(source);
      expect(b.length).toBe(48);
      expect(checkIpv6(b, 0, 48)).toBeUndefined();
      expect(checkRouterSolicitation(b, 0)).toBeUndefined();
      expect(b.slice(SOURCE, DESTINATION)).toEqual(source);
    }),
  );
});

test.each([
  ['an option', undefined, () => extended(solicitation(), SOURCE_LINK_LAYER)],
  ['hop limit 64', 'wrong-hop-limit', () => changed(solicitation(), 7, '40')],
  ['hop limit 254', 'wrong-hop-limit', () => changed(solicitation(), 7, 'fe')],
  ['a bad checksum', 'bad-checksum', () => changed(solicitation(), 42, '0000', false)],
  ['reserved bits', undefined, () => changed(solicitation(), 44, 'ffffffff')],
  ['code 1', 'wrong-code', () => changed(solicitation(), 41, '01')],
  ['type 134', 'wrong-type', () => changed(solicitation(), 40, '86')],
  ['next header 59', 'wrong-type', () => changed(solicitation(), 6, '3b')],
  ['payload length 0', 'wrong-type', () => changed(solicitation(), 4, '0000', false)],
  ['payload length 7', 'too-short', () => changed(solicitation(), 4, '0007')],
  ['another group', 'wrong-destination', () => changed(solicitation(), 39, '01')],
  ['option length 0', 'bad-option', () => extended(solicitation(), '0100000000000000')],
  ['an option past the end', 'bad-option', () => extended(solicitation(), '0102000000000000')],
  ['half an option', 'bad-option', () => extended(solicitation(), '01010000')],
  ['one octet more', 'bad-option', () => extended(solicitation(), '01')],
  ['no source', undefined, () => changed(solicitation(), SOURCE, '00'.repeat(16))],
  [
    'a link-layer address, but no source',
    'bad-option',
    () => changed(extended(solicitation(), SOURCE_LINK_LAYER), SOURCE, '00'.repeat(16)),
  ],
])('a solicitation with %s: %s (S-18)', (_, reason, make) => {
  expect(checkRouterSolicitation(make(), 0)).toBe(reason);
});

test('advertisements are built as in EX6, with 109 octets on the wire without MTU', () => {
  const parts = {
    source: makeLinkLocal({ flags: 0x8000, mappedAddress: parseIpv4('203.0.113.120')!, mappedPort: 3544 }),
    destination: advertisement().slice(DESTINATION, IPV6_HEADER),
    prefixServer: parseIpv4('203.0.113.120')!,
  };
  expect(toHex(buildRouterAdvertisement({ ...parts, mtu: 1280 }))).toBe(toHex(advertisement()));
  expect(buildRouterAdvertisement({ ...parts, mtu: undefined }).length).toBe(109 - 13 - 8);
});

test('advertisements round trip', () => {
  const mtu = fc.option(uint32, { nil: undefined });
  const identifier = fc.record({ flags: fc.nat(0xffff), mappedAddress: ipv4, mappedPort: fc.nat(0xffff) });
  fc.assert(
    fc.property(
      identifier,
      ipv6,
      ipv4,
      mtu,
      fc.boolean(),
      (from, destination, prefixServer, m, oneAddress) => {
        const source = makeLinkLocal(from);
        const b = buildRouterAdvertisement({ source, destination, prefixServer, mtu: m, oneAddress });
        expect(checkIpv6(b, 0, b.length)).toBeUndefined();
        const shifted = Uint8Array.of(1, 2, 3, ...b);
        const read = parseRouterAdvertisement(shifted, 3) as RouterAdvertisement;
        expect(read.reason).toBeUndefined();
        expect(shifted.slice(read.sourceOffset, read.sourceOffset + 16)).toEqual(source);
        expect(shifted.slice(read.destinationOffset, read.destinationOffset + 16)).toEqual(destination);
        expect(read.mtu).toBe(m);
        expect(read.oneAddress).toBe(oneAddress);
        expect(read.prefixes).toMatchObject([
          { length: 64, flags: 0x40, valid: 0xffffffff, preferred: 0xffffffff },
        ]);
        const { addressOffset } = read.prefixes[0];
        expect(shifted.slice(addressOffset, addressOffset + 16)).toEqual(teredoPrefix(prefixServer));
      },
    ),
  );
});

test.each([
  ['hop limit 64', 'wrong-hop-limit', () => changed(advertisement(), 7, '40')],
  ['a bad checksum', 'bad-checksum', () => changed(advertisement(), 42, '0000', false)],
  ['code 1', 'wrong-code', () => changed(advertisement(), 41, '01')],
  ['type 133', 'wrong-type', () => changed(advertisement(), 40, '85')],
  ['a global source', 'wrong-source', () => changed(advertisement(), SOURCE, '20010db8')],
  ['no source', 'wrong-source', () => changed(advertisement(), SOURCE, '00'.repeat(16))],
  ['length 15', 'too-short', () => changed(advertisement(), 4, '000f')],
  ['a zero option length', 'bad-option', () => changed(advertisement(), 57, '00')],
  ['a prefix option too short', 'bad-option', () => extended(advertisement(), '0301404000000000')],
  [
    'an MTU option too long',
    'bad-option',
    () => extended(advertisement(), '0502000000000500' + '00'.repeat(8)),
  ],
  ['an option past the end', 'bad-option', () => extended(advertisement(), '0302000000000000')],
])('an advertisement with %s: %s (C-21)', (_, reason, make) => {
  expect(parseRouterAdvertisement(make(), 0)).toEqual({ reason });
});

test('an advertisement may have no prefix, two prefixes, or unknown options', () => {
  const bare = advertisement().slice(0, 56);
  bare[5] = 16;
  sealIcmpv6(bare, 0);
  expect(parseRouterAdvertisement(bare, 0)).toMatchObject({ prefixes: [], mtu: undefined });
  const two = extended(advertisement(), toHex(advertisement(), 56, 88));
  expect((parseRouterAdvertisement(two, 0) as RouterAdvertisement).prefixes).toHaveLength(2);
  const unknown = parseRouterAdvertisement(extended(advertisement(), 'fd01000000000000'), 0);
  expect(unknown).toMatchObject({ mtu: 1280, prefixes: [{ length: 64 }] });
});

test.each([
  ['its mark', true, 'fd0154646f203161'],
  ['the mark of another experiment', false, 'fd0154646f203162'],
  ['another length', false, 'fd0254646f2031610000000000000000'],
  ['another number', false, 'fe0154646f203161'],
])('the option of a server with one address has %s: %s', (_, oneAddress, option) => {
  expect(parseRouterAdvertisement(extended(advertisement(), option), 0)).toMatchObject({ oneAddress });
});

test('lifetimes and flags are read, but not checked (A-17)', () => {
  const b = advertisement();
  b[IPV6_HEADER + 4] = 64; // current hop limit
  b[IPV6_HEADER + 5] = 0xc0; // managed, other
  b[59] = 0;
  writeUint32(b, 60, 300);
  writeUint32(b, 64, 100);
  sealIcmpv6(b, 0);
  expect(parseRouterAdvertisement(b, 0)).toMatchObject({
    prefixes: [{ length: 64, flags: 0, valid: 300, preferred: 100 }],
  });
});
