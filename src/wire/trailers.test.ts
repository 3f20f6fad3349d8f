import fc from 'fast-check';
import { expect, test } from 'vitest';
import { octets, port } from '../../test/support/arbitraries.ts';
import { bytesOf } from '../../test/support/vectors.ts';
import { readUint32, toHex } from './bytes.ts';
import { parseIpv4 } from './ipv4.ts';
import {
  MAX_TRAILER_BYTES,
  parseTrailers,
  writeAlternateAddresses,
  writeGuess,
  writeNeighborDiscovery,
  writeNonce,
  writeRandomPort,
} from './trailers.ts';

const NOTHING = parseTrailers(new Uint8Array(), 0, 0);
const NONCE = '0104deadbeef';

/** Parses hex; `nonce` in the result is the nonce itself instead of its offset. */
function parse(...parts: string[]) {
  const b = bytesOf('ffff', ...parts);
  const trailers = parseTrailers(b, 2, b.length);
  return { ...trailers, nonce: trailers.nonce === undefined ? undefined : readUint32(b, trailers.nonce) };
}

/** {@link NOTHING} with these differences. */
const but = (difference: object) => ({ ...NOTHING, ...difference });

test('no trailers', () => {
  expect(parse()).toEqual(but({}));
  expect(NOTHING).toEqual({ discard: false, malformedAlternate: false, unknown: 0 });
});

test('each kind is read without obfuscation (E-7, E-8, E-10, E-11)', () => {
  expect(parse(NONCE)).toEqual(but({ nonce: 0xdeadbeef }));
  expect(parse('030e0000c0a801029c400a0000029c40').alternates).toEqual([
    { address: parseIpv4('192.168.1.2'), port: 40000 },
    { address: parseIpv4('10.0.0.2'), port: 40000 },
  ]);
  expect(parse('040400000000')).toEqual(but({ neighborDiscovery: 'solicitation' }));
  expect(parse('040401ffffff')).toEqual(but({ neighborDiscovery: 'advertisement' }));
  expect(parse('0502c738')).toEqual(but({ randomPort: 51000 }));
});

test('reserved octets are ignored', () => {
  expect(parse('0308ffffc0a801029c40').alternates).toHaveLength(1);
  expect(parse('040400ffffff').neighborDiscovery).toBe('solicitation');
});

test.each([
  ['02', 'unknown'], // Random Port's number before erratum 2685
  ['00', 'unknown'],
  ['06', 'unknown'],
  ['3f', 'unknown'],
  ['40', 'discard'],
  ['7f', 'discard'],
  ['80', 'unknown'],
  ['bf', 'unknown'],
  ['c7', 'unknown'],
  ['ff', 'unknown'],
])('an unknown type %s is %s (E-3)', (type, kind) => {
  const expected = but(kind === 'discard' ? { discard: true } : { unknown: 1 });
  expect(parse(type, '00')).toEqual(expected);
  expect(parse(type, '0201aa')).toEqual(expected);
  expect(parse(type, '02c738')).toEqual({ ...expected });
  expect(parse(type, '01aa', NONCE)).toEqual({ ...expected, nonce: 0xdeadbeef });
});

test.each(['0103deadbe', '0105deadbeef00', '0100', '040300aaaa', '0400', '050100', '0503000001', '0500'])(
  '%s has a length that its type cannot have, and is skipped (E-12)',
  (trailer) => {
    expect(parse(trailer)).toEqual(but({ unknown: 1 }));
    expect(parse(trailer, NONCE)).toEqual(but({ unknown: 1, nonce: 0xdeadbeef }));
  },
);

test('an unknown discovery type is skipped', () => {
  expect(parse('040402000000')).toEqual(but({ unknown: 1 }));
});

test('a malformed trailer ends the reading; those before it are kept (E-4, E-5)', () => {
  expect(parse(NONCE, '05')).toEqual(but({ nonce: 0xdeadbeef }));
  expect(parse(NONCE, '0502c7')).toEqual(but({ nonce: 0xdeadbeef }));
  expect(parse('0104dead')).toEqual(but({}));
  expect(parse('01')).toEqual(but({}));
});

test('a discard type after a malformed trailer is not read (E-6)', () => {
  expect(parse('01ff', '4000')).toEqual(but({}));
});

test.each([
  ['no pair', '03020000'],
  ['length 0', '0300'],
  ['length 9', '03090000c0a801029c4000'],
  ['length 32', '03200000' + 'c0a801029c40'.repeat(5)],
  ['port 0', '03080000c0a801020000'],
  ['a group', '03080000e00000fd9c40'],
  ['this network', '03080000000000019c40'],
  ['loopback', '030800007f0000019c40'],
  ['broadcast', '03080000ffffffff9c40'],
  ['a bad second pair', '030e0000c0a801029c40c0a801020000'],
])('an alternate address trailer with %s is malformed (E-8, E-92, E-96)', (_, trailer) => {
  expect(parse(trailer)).toEqual(but({ malformedAlternate: true }));
  expect(parse(trailer, NONCE)).toEqual(but({ malformedAlternate: true, nonce: 0xdeadbeef }));
});

const address = fc.oneof(
  fc.integer({ min: 0x01000000, max: 0x7effffff }),
  fc.integer({ min: 0x80000000, max: 0xdfffffff }),
);
const alternates = fc.array(fc.record({ address, port: fc.integer({ min: 1, max: 0xffff }) }), {
  minLength: 1,
  maxLength: 4,
});
const trailers = fc.record(
  {
    nonce: octets(4),
    alternates,
    neighborDiscovery: fc.constantFrom('solicitation' as const, 'advertisement' as const),
    randomPort: port,
  },
  { requiredKeys: [] },
);

test('trailers round trip in any combination, within the maximum length', () => {
  fc.assert(
    fc.property(trailers, fc.nat(5), (t, start) => {
      const b = new Uint8Array(start + MAX_TRAILER_BYTES);
      let end = start;
      if (t.randomPort !== undefined) end = writeRandomPort(b, end, t.randomPort);
      if (t.neighborDiscovery) end = writeNeighborDiscovery(b, end, t.neighborDiscovery);
      if (t.alternates) end = writeAlternateAddresses(b, end, t.alternates);
      if (t.nonce) end = writeNonce(b, end, t.nonce);
      expect(end).toBeLessThanOrEqual(b.length);
      const { nonce, ...read } = parseTrailers(b, start, end);
      expect(nonce === undefined ? undefined : b.slice(nonce, nonce + 4)).toEqual(t.nonce);
      const { nonce: _, ...written } = { ...NOTHING, ...t };
      expect(read).toEqual(written);
    }),
  );
});

test('the maximum length is that of one trailer of each kind, each as long as it can be', () => {
  const pair = { address: 0xc0000201, port: 4096 };
  const b = new Uint8Array(2 * MAX_TRAILER_BYTES);
  let end = writeNonce(b, 0, Uint8Array.of(1, 2, 3, 4));
  end = writeAlternateAddresses(b, end, [pair, pair, pair, pair]);
  end = writeNeighborDiscovery(b, end, 'solicitation');
  end = writeRandomPort(b, end, 4096);
  end = writeGuess(b, end, { habit: 'counting', port: 4096, step: 1, token: 1, echo: 2 });
  const read = parseTrailers(b, 0, end);
  expect(Object.values(read)).not.toContain(undefined);
  expect(end).toBe(MAX_TRAILER_BYTES);
});

test('a nonce is copied from its offset', () => {
  const b = new Uint8Array(6);
  writeNonce(b, 0, bytesOf('0000deadbeef'), 2);
  expect(toHex(b)).toBe(NONCE);
});

test('any octets can be parsed, and the offsets found are within them', () => {
  const dense = fc.array(fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 14, 0x40, 0xff), fc.nat(255)), {
    maxLength: 120,
  });
  fc.assert(
    fc.property(dense, (values) => {
      const b = Uint8Array.from(values);
      const read = parseTrailers(b, 0, b.length);
      if (read.nonce !== undefined) expect(read.nonce).toBeLessThanOrEqual(b.length - 4);
      if (read.alternates !== undefined) expect([1, 2, 3, 4]).toContain(read.alternates.length);
    }),
    { numRuns: 2_000 },
  );
});
