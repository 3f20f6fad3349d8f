import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DESTINATION,
  DatagramView,
  IPV6_HEADER,
  SOURCE,
  authenticatedBytes,
  checkIcmpv6,
  checkIpv6,
  checkRouterSolicitation,
  decodeDatagram,
  echoData,
  formatIpv6,
  icmpv6Type,
  isBubble,
  mayCauseIcmpError,
  nextHeader,
  parseRouterAdvertisement,
  parseTeredoAddress,
  parseTrailers,
  payloadLength,
} from '../../src/wire/index.ts';
import { bytesOf, vectors } from '../support/vectors.ts';

/** Runs every parser over a datagram as the machines do, and checks that all reported offsets are inside. */
function readEverything(b: Uint8Array): DatagramView | undefined {
  const view = new DatagramView();
  if (decodeDatagram(b, 0, b.length, view) !== undefined) return undefined;
  const { ipv6Start, ipv6End, trailersEnd } = view;
  expect(trailersEnd).toBe(b.length);
  expect(ipv6End - ipv6Start).toBe(IPV6_HEADER + payloadLength(b, ipv6Start));
  expect(ipv6End).toBeLessThanOrEqual(trailersEnd);
  expect(checkIpv6(b, ipv6Start, ipv6End)).toBeUndefined();
  if (view.authentication) {
    const { start, clientId, value, nonceOffset, end } = view.authentication;
    const order = [start, clientId.start, clientId.end, value.start, value.end, nonceOffset, end, ipv6Start];
    expect(order).toEqual(order.toSorted((one, other) => one - other));
    const origin = view.hasOrigin ? view.originStart : undefined;
    const covered = authenticatedBytes(b, view.authentication, origin, ipv6Start, ipv6End);
    expect(covered.length).toBe(9 + (view.hasOrigin ? 8 : 0) + ipv6End - ipv6Start);
  }
  readPacket(b, ipv6Start, ipv6End);
  const trailers = parseTrailers(b, ipv6End, trailersEnd);
  if (trailers.nonce !== undefined) expect(trailers.nonce).toBeLessThanOrEqual(trailersEnd - 4);
  expect(trailers.alternates?.length ?? 1).toBeLessThanOrEqual(4);
  return view;
}

function readPacket(b: Uint8Array, o: number, end: number): void {
  isBubble(b, o);
  mayCauseIcmpError(b, o, end);
  for (const address of [o + SOURCE, o + DESTINATION]) {
    formatIpv6(b, address);
    parseTeredoAddress(b, address);
  }
  checkRouterSolicitation(b, o);
  const advertisement = parseRouterAdvertisement(b, o);
  if (advertisement.reason === undefined) {
    for (const { addressOffset } of advertisement.prefixes) {
      expect(addressOffset + 16).toBeLessThanOrEqual(end);
    }
  }
  if (!checkIcmpv6(b, o)) return;
  icmpv6Type(b, o);
  const data = echoData(b, o);
  expect(data.start).toBeLessThanOrEqual(data.end);
}

describe.each(vectors.datagrams)('$name', ({ payload }) => {
  const whole = bytesOf(payload);
  const { ipv6End, ipv6Start } = readEverything(whole)!;

  test('truncated at every length is refused or loses trailers', () => {
    for (let length = 0; length < whole.length; length++) {
      const view = readEverything(whole.slice(0, length));
      expect(view === undefined).toBe(length < ipv6End);
    }
  });

  test('with any one bit changed is parsed without an error, and ICMPv6 is refused', () => {
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const b = whole.slice();
      b[bit >> 3] ^= 0x80 >> (bit & 7);
      readEverything(b);
      const covered = bit >> 3 >= ipv6Start + SOURCE && bit >> 3 < ipv6End;
      if (covered && nextHeader(whole, ipv6Start) === 58) expect(checkIcmpv6(b, ipv6Start)).toBe(false);
    }
  });
});

test('random octets are parsed without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (b) => {
      readEverything(b);
    }),
    { numRuns: 5_000 },
  );
});

test('datagrams with parts overwritten, removed and added are parsed without an error', () => {
  const base = fc.constantFrom(...vectors.datagrams.map(({ payload }) => bytesOf(payload)));
  const edit = fc.record({
    at: fc.nat(150),
    remove: fc.nat(10),
    add: fc.oneof(
      fc.uint8Array({ maxLength: 10 }),
      fc.constantFrom(0, 1, 0xff).map((octet) => Uint8Array.of(octet)),
    ),
  });
  fc.assert(
    fc.property(base, fc.array(edit, { minLength: 1, maxLength: 4 }), (start, edits) => {
      let b = start;
      for (const { at, remove, add } of edits) {
        b = Uint8Array.of(...b.subarray(0, at), ...add, ...b.subarray(at + remove));
      }
      readEverything(b);
    }),
    { numRuns: 5_000 },
  );
});

test('a datagram of the greatest length is read in one pass', () => {
  const trailers = new Uint8Array(65507).fill(3);
  trailers.set(bytesOf(vectors.datagrams.find(({ name }) => name === 'EX7')!.payload));
  expect(readEverything(trailers)).toBeDefined();
});
