import fc from 'fast-check';
import { expect, test } from 'vitest';
import { octets } from '../../../test/support/arbitraries.ts';
import { MAPPED, PRIMARY, teredo, v6 } from '../../../test/support/client-rig.ts';
import { packetOf } from '../../../test/support/machine-rig.ts';
import { RelayRig, pairOf } from '../../../test/support/relay-rig.ts';
import { AddressPolicy } from '../address-policy.ts';

const CLIENT = teredo(PRIMARY, MAPPED);
const NATIVE = v6('2001:db8::1');

/** A packet with some random changes. */
const almost = (packet: Uint8Array) =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(packet.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(packet.length + 20),
      octets(20),
    )
    .map(([changes, length, tail]) => {
      const bytes = new Uint8Array([...packet, ...tail]);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes.slice(0, length);
    });

const step = fc.oneof(
  fc.record({ what: fc.constant('datagram' as const), bytes: almost(packetOf(CLIENT, NATIVE, 30)) }),
  fc.record({ what: fc.constant('packet' as const), bytes: almost(packetOf(NATIVE, CLIENT, 30, 58)) }),
  fc.record({ what: fc.constant('answer' as const) }),
  fc.record({ what: fc.constant('wait' as const), ms: fc.nat(20_000) }),
);

test('R-4, R-20, R-23: whatever comes from either side, nothing throws, and no packet goes to a forbidden address', () => {
  const policy = new AddressPolicy();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const rig = new RelayRig();
      for (const next of steps) {
        if (next.what === 'datagram') {
          const from = next.bytes.length < 24 ? MAPPED : pairOf(next.bytes.subarray(8));
          rig.receive(from, next.bytes);
        } else if (next.what === 'packet') rig.offer(next.bytes);
        else if (next.what === 'wait') rig.advance(next.ms);
        else for (const bubble of rig.bubbles) rig.answer(bubble);
      }
      for (const { address, port, bytes } of rig.sent) {
        expect(policy.isGlobalUnicast(address)).toBe(true);
        expect(port).not.toBe(0);
        expect(bytes.length).toBeLessThanOrEqual(1_280);
      }
      for (const packet of rig.delivered) expect(packet[24] >>> 5).toBe(1);
    }),
    { numRuns: 100 },
  );
});
