import { expect, test } from 'vitest';
import { ClientRig } from '../../../test/support/client-rig.ts';
import { SLOTS, fillAndEmpty, sparseClient } from '../../../test/support/sparse-table.ts';
import type { PeerTable } from '../peer-table.ts';

test('peers of a table with many free slots are listed in short steps, the trusted ones first', () => {
  const { machine, now } = new ClientRig().qualify();
  machine.setLimits({ peers: { trusted: SLOTS, unverified: SLOTS } });
  const { peers } = (machine as unknown as { context: { peers: PeerTable } }).context;
  fillAndEmpty(peers, [3, 40_000]);
  peers.trust(peers.find(sparseClient(40_000), 0), now);
  const listed = [...machine.peersInSteps(now)];
  expect(listed.filter((peer) => peer === undefined).length).toBeGreaterThan(2 * Math.floor(SLOTS / 4_096));
  const addresses = [40_000, 3].map((n) => sparseClient(n));
  expect([...machine.peers(now)].map(({ address }) => address)).toEqual(addresses);
});
