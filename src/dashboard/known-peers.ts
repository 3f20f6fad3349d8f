import type { PeerStatus } from '../control/status.ts';

/** The peers of a client, as far as the picture shows them. */
export interface KnownPeers {
  /** Where the relays are through which native hosts are reached. */
  readonly relays: readonly string[];
  readonly natives: number;
  /** Native hosts for which no relay has answered. */
  readonly unanswered: number;
  /** Verified Teredo clients. */
  readonly clients: number;
}

export const NOBODY: KnownPeers = { relays: [], natives: 0, unanswered: 0, clients: 0 };
const TEREDO = /^2001:(0:|:)/;

export function knownPeers(peers: readonly PeerStatus[]): KnownPeers {
  const relays = new Set<string>();
  let [natives, unanswered, clients] = [0, 0, 0];
  for (const { address, trusted, mapped } of peers) {
    if (TEREDO.test(address)) clients += trusted ? 1 : 0;
    else if (!trusted) unanswered++;
    else {
      natives++;
      if (mapped !== undefined) relays.add(mapped);
    }
  }
  return { relays: [...relays], natives, unanswered, clients };
}
