import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { octets } from '../../test/support/arbitraries.ts';
import { payloadOf, vectors } from '../../test/support/vectors.ts';
import {
  DatagramView,
  ORIGIN_LENGTH,
  authenticationLength,
  decodeDatagram,
  parseAuthentication,
  toHex,
  writeAuthentication,
} from '../wire/index.ts';
import { authenticationValue, verifyAuthentication } from './secure.ts';

const secret = new TextEncoder().encode('s3cret');

/** Whether a datagram is authentic as a whole: decoded, then verified. */
function authentic(b: Uint8Array, key = secret): boolean {
  const view = new DatagramView();
  if (decodeDatagram(b, 0, b.length, view) !== undefined || view.authentication === undefined) return false;
  const origin = view.hasOrigin ? view.originStart : undefined;
  const { authentication, ipv6Start, ipv6End } = view;
  return verifyAuthentication(key, b, { authentication, origin, ipv6Start, ipv6End });
}

describe.each(vectors.hmac)('$name', ({ name, hmac_sha1 }) => {
  test('has the value that openssl computes (C-25)', () => {
    const b = payloadOf(name);
    const view = new DatagramView();
    decodeDatagram(b, 0, b.length, view);
    const origin = view.hasOrigin ? view.originStart : undefined;
    const { ipv6Start, ipv6End } = view;
    const parts = { authentication: view.authentication!, origin, ipv6Start, ipv6End };
    const value = authenticationValue(secret, b, parts);
    expect(toHex(value)).toBe(hmac_sha1);
    expect(authentic(b)).toBe(true);
  });

  test('is refused with another secret', () => {
    expect(authentic(payloadOf(name), new TextEncoder().encode('s3cres'))).toBe(false);
    expect(authentic(payloadOf(name), new Uint8Array())).toBe(false);
  });

  test('is refused with one bit changed of value, nonce, confirmation, origin or packet (V12)', () => {
    const good = payloadOf(name);
    const valueStart = 4 + 'client-1'.length;
    for (let bit = 8 * valueStart; bit < 8 * good.length; bit++) {
      const b = good.slice();
      b[bit >> 3] ^= 0x80 >> (bit & 7);
      expect(authentic(b)).toBe(false);
    }
  });

  test('does not cover the identifier', () => {
    const b = payloadOf(name);
    b[4] ^= 1;
    expect(authentic(b)).toBe(true);
  });
});

test('trailers are not covered', () => {
  expect(authentic(Uint8Array.of(...payloadOf('EX3'), 1, 4, 1, 2, 3, 4))).toBe(true);
});

test('a removed or added origin indication is detected', () => {
  const withOrigin = payloadOf('EX4');
  expect(authentic(Uint8Array.of(...withOrigin.subarray(0, 41), ...withOrigin.subarray(49)))).toBe(false);
  const without = payloadOf('EX3');
  const origin = withOrigin.subarray(41, 41 + ORIGIN_LENGTH);
  expect(authentic(Uint8Array.of(...without.subarray(0, 41), ...origin, ...without.subarray(41)))).toBe(
    false,
  );
});

test('a value of any length but 20 is refused: no truncation', () => {
  const packet = payloadOf('EX5');
  const nonce = new Uint8Array(8);
  for (const length of [0, 1, 10, 19, 21, 32]) {
    const b = new Uint8Array(authenticationLength(0, length) + packet.length);
    const header = { clientId: new Uint8Array(), value: new Uint8Array(length), nonce, confirmation: 0 };
    const start = writeAuthentication(b, 0, header);
    b.set(packet, start);
    const authentication = parseAuthentication(b, 0, b.length)!;
    const value = authenticationValue(secret, b, {
      authentication,
      origin: undefined,
      ipv6Start: start,
      ipv6End: b.length,
    });
    b.set(value.subarray(0, length), authentication.value.start);
    expect(authentic(b)).toBe(false);
  }
});

test('the value is that of node:crypto for any key and packet', () => {
  const packet = payloadOf('EX7');
  const id = fc.uint8Array({ maxLength: 30 });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      octets(8),
      id,
      fc.boolean(),
      (key, nonce, clientId, conf) => {
        const confirmation = conf ? 1 : 0;
        const b = new Uint8Array(authenticationLength(clientId.length, 20) + packet.length);
        const start = writeAuthentication(b, 0, { clientId, value: new Uint8Array(20), nonce, confirmation });
        b.set(packet, start);
        const authentication = parseAuthentication(b, 0, b.length)!;
        const value = authenticationValue(key, b, {
          authentication,
          origin: undefined,
          ipv6Start: start,
          ipv6End: b.length,
        });
        const expected = createHmac('sha1', key)
          .update(nonce)
          .update(Uint8Array.of(confirmation))
          .update(packet);
        expect(toHex(value)).toBe(expected.digest('hex'));
        b.set(value, authentication.value.start);
        expect(authentic(b, key)).toBe(true);
      },
    ),
  );
});
