import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endpoint, octets } from '../../../test/support/arbitraries.ts';
import { MAPPED } from '../../../test/support/client-rig.ts';
import { ServerRig } from '../../../test/support/server-rig.ts';
import { payloadOf } from '../../../test/support/vectors.ts';
import { AddressPolicy } from '../address-policy.ts';

const examples = ['EX1', 'EX3', 'EX5', 'EX8', 'EX14', 'EX17'].map((name) => payloadOf(name));

const datagram = fc
  .tuple(
    fc.constantFrom(...examples),
    fc.array(fc.tuple(fc.nat(255), fc.nat(255)), { maxLength: 6 }),
    fc.nat(120),
    octets(20),
  )
  .map(([example, changes, cut, tail]) => {
    const bytes = new Uint8Array([...example, ...tail]);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return bytes.slice(0, Math.max(0, bytes.length - cut));
  });

test('S-10, S-23, S-45: whatever comes, nothing throws; at most one datagram of about the same size is sent, to an allowed address', () => {
  const policy = new AddressPolicy();
  const rigs = [new ServerRig(), new ServerRig({ keys: () => ({ secret: octetsOf('s3cret') }) })];
  fc.assert(
    fc.property(datagram, fc.oneof(fc.constant(MAPPED), endpoint), fc.nat(1), (bytes, from, socket) => {
      for (const rig of rigs) {
        rig.clear().receive(from, bytes, socket);
        expect(rig.sent.length + rig.delivered.length).toBeLessThanOrEqual(1);
        for (const sent of rig.sent) {
          expect(policy.isGlobalUnicast(sent.address)).toBe(true);
          expect(sent.bytes.length).toBeLessThanOrEqual(bytes.length + 56);
        }
        rig.advance(1_000);
      }
    }),
    { numRuns: 2_000 },
  );
});

function octetsOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
