import type { PeerStatus as MachinePeer } from '../core/client/index.ts';
import type { PeerStatus } from '../daemon/status.ts';
import { formatEndpoint, formatIpv6 } from '../wire/index.ts';

/** A client's peer as `teredo peers` shows it; `now`: milliseconds on the machine's clock. */
export function peerStatus(peer: MachinePeer, now: number): PeerStatus {
  return {
    address: formatIpv6(peer.address),
    ...(peer.mapped === undefined ? {} : { mapped: formatEndpoint(peer.mapped) }),
    trusted: peer.trusted,
    ...(peer.means === undefined ? {} : { means: peer.means }),
    local: peer.local !== undefined,
    offloaded: peer.offloaded,
    ...secondsAgo(peer.lastReceivedMs, peer.lastSentMs, now),
  };
}

/** The two ages, where there is something to be old. */
export function secondsAgo(
  received: number,
  sent: number,
  now: number,
): { receivedSecondsAgo?: number; sentSecondsAgo?: number } {
  return {
    ...(received === -Infinity ? {} : { receivedSecondsAgo: Math.round((now - received) / 100) / 10 }),
    ...(sent === -Infinity ? {} : { sentSecondsAgo: Math.round((now - sent) / 100) / 10 }),
  };
}
