import { describe, expect, test } from 'vitest';
import {
  DatagramView,
  SOURCE,
  decodeDatagram,
  isBubble,
  mappedPortOf,
  parseRouterAdvertisement,
  parseTrailers,
  readUint32,
  sealIcmpv6,
  toHex,
} from '../../src/wire/index.ts';
import { bytesOf, payloadOf } from '../support/vectors.ts';

/** The negative vectors of the specification that the codec decides; core/secure decides V12. */

function decode(b: Uint8Array): string | DatagramView {
  const view = new DatagramView();
  return decodeDatagram(b, 0, b.length, view) ?? view;
}

/** The trailers of EX7 with these octets after it. */
function trailersBehindBubble(hex: string, bubble = payloadOf('EX7')) {
  const b = Uint8Array.of(...bubble, ...bytesOf(hex));
  const view = decode(b) as DatagramView;
  expect(isBubble(b, view.ipv6Start)).toBe(true);
  const trailers = parseTrailers(b, view.ipv6End, view.trailersEnd);
  return { ...trailers, nonce: trailers.nonce === undefined ? undefined : readUint32(b, trailers.nonce) };
}

test('V1: EX2 with origin and authentication swapped', () => {
  const hex = toHex(payloadOf('EX2'));
  expect(decode(bytesOf(hex.slice(26, 42), hex.slice(0, 26), hex.slice(42)))).toBe('misordered-headers');
});

test('V2: EX1 truncated at every length', () => {
  const whole = payloadOf('EX1');
  const reasons = Array.from(whole, (_, length) => decode(whole.subarray(0, length)));
  expect(reasons.slice(0, 2)).toEqual(['empty', 'unknown-header']);
  expect(new Set(reasons.slice(2, 13))).toEqual(new Set(['truncated-authentication']));
  expect(new Set(reasons.slice(13))).toEqual(new Set(['truncated-ipv6']));
  expect(decode(whole)).toBeInstanceOf(DatagramView);
});

test('V3: EX1 with an identifier length of 255', () => {
  const b = payloadOf('EX1');
  b[2] = 0xff;
  expect(decode(b)).toBe('truncated-authentication');
});

test('V4: EX1 with two authentication headers', () => {
  const hex = toHex(payloadOf('EX1'));
  expect(decode(bytesOf(hex.slice(0, 26), hex))).toBe('duplicate-authentication');
});

test('V5: EX7 with payload length 1', () => {
  const b = payloadOf('EX7');
  b[5] = 1;
  expect(decode(b)).toBe('truncated-ipv6');
});

test('V6: with a truncated nonce the bubble has no nonce (E-5)', () => {
  expect(trailersBehindBubble('0104dead')).toMatchObject({ nonce: undefined, discard: false, unknown: 0 });
});

test('V7: a trailer of type 0x40 discards the packet (E-3)', () => {
  expect(trailersBehindBubble('4000').discard).toBe(true);
});

test('V8: type 2 is unknown and skipped, the nonce after it is read (E-4, E-11)', () => {
  const expected = { nonce: 0xdeadbeef, unknown: 1, discard: false, randomPort: undefined };
  expect(trailersBehindBubble('0201aa0104deadbeef')).toMatchObject(expected);
});

test('V9: an additional octet after the nonce is ignored (E-5)', () => {
  expect(trailersBehindBubble('0104deadbeef05')).toMatchObject({ nonce: 0xdeadbeef, unknown: 0 });
});

test.each(['03090000c0a801029c4000', '03080000c0a801020000'])(
  'V10: a malformed alternate address trailer drops its bubble (E-92): %s',
  (trailer) => {
    const expected = { malformedAlternate: true, alternates: undefined, nonce: 0xdeadbeef };
    expect(trailersBehindBubble(trailer, payloadOf('EX8'))).toMatchObject(expected);
  },
);

describe('V11: EX2 with', () => {
  const IPV6 = 21;
  const advertisement = (change: (b: Uint8Array) => void, seal = true) => {
    const b = payloadOf('EX2');
    change(b);
    if (seal) sealIcmpv6(b, IPV6);
    const view = decode(b) as DatagramView;
    return parseRouterAdvertisement(b, view.ipv6Start);
  };

  test.each<[string, string, (b: Uint8Array) => void]>([
    ['hop limit 64', 'wrong-hop-limit', (b) => (b[IPV6 + 7] = 64)],
    ['code 1', 'wrong-code', (b) => (b[IPV6 + 41] = 1)],
  ])('%s', (_, reason, change) => {
    expect(advertisement(change)).toEqual({ reason });
  });

  test('a wrong checksum', () => {
    expect(advertisement((b) => (b[IPV6 + 42] ^= 1), false)).toEqual({ reason: 'bad-checksum' });
  });

  test('two prefixes', () => {
    const hex = toHex(payloadOf('EX2'));
    const prefix = hex.slice(2 * (IPV6 + 56), 2 * (IPV6 + 88));
    const b = bytesOf(hex, prefix);
    b[IPV6 + 5] = 88;
    sealIcmpv6(b, IPV6);
    expect(decode(b)).toBeInstanceOf(DatagramView);
    expect(parseRouterAdvertisement(b, IPV6)).toMatchObject({ prefixes: [{ length: 64 }, { length: 64 }] });
  });

  test('no origin', () => {
    const hex = toHex(payloadOf('EX2'));
    expect(decode(bytesOf(hex.slice(0, 26), hex.slice(42)))).toMatchObject({ hasOrigin: false });
  });

  test('another nonce', () => {
    const b = payloadOf('EX2');
    const { nonceOffset } = (decode(b) as DatagramView).authentication!;
    expect(toHex(b, nonceOffset, nonceOffset + 8)).toBe('a1b2c3d4e5f60718');
  });
});

test('V13: EX7 does not match the source 192.0.2.1:4097', () => {
  expect(mappedPortOf(payloadOf('EX7'), SOURCE)).not.toBe(4097);
});
