import { NO_PEER } from '../../src/core/peer-table.ts';
import type { PeerTable } from '../../src/core/peer-table.ts';
import { makeTeredoAddress } from '../../src/wire/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';

const MAPPED_ADDRESS = 0x0808_0000;
/** Slots of a table that was large once: more than one turn may look at. */
export const SLOTS = 50_000;

/** All peers but these have left the table. */
export function fillAndEmpty(peers: PeerTable, kept: readonly number[]): void {
  for (let n = 0; n < SLOTS; n++) peers.insert(sparseClient(n), 0);
  const isKept = new Set(kept);
  for (let n = 0; n < SLOTS; n++) if (!isKept.has(n)) peers.remove(peers.find(sparseClient(n), 0));
}

/** The client that {@link fillAndEmpty} adds as the `n`th. */
export function sparseClient(n: number): Ipv6 {
  const mapped = { mappedAddress: MAPPED_ADDRESS + (n >>> 8), mappedPort: 4_000 + (n & 0xff) };
  return makeTeredoAddress({ server: 0xcb007178, flags: 0, ...mapped });
}

/** Counts the steps of walks through the table from now on; `take` returns those since it was called last. */
export function countSteps(peers: PeerTable): { take(): number } {
  let steps = 0;
  const walk = peers.walkInSteps.bind(peers);
  peers.walkInSteps = function* () {
    for (const peer of walk()) {
      if (peer === NO_PEER) steps++;
      yield peer;
    }
  };
  return {
    take: () => {
      const taken = steps;
      steps = 0;
      return taken;
    },
  };
}
