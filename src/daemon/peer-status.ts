import type { PeerStatus as MachinePeer } from '../core/client/index.ts';
import { NO_TRAFFIC } from '../core/peer-traffic.ts';
import type { PeerTraffic } from '../core/peer-traffic.ts';
import type { PeerStatus } from '../control/status.ts';
import type { CarriedPath } from '../io/ports.ts';
import { formatEndpoint, formatIpv6 } from '../wire/index.ts';

/** A client's peer as `teredo peers` shows it; `now`: milliseconds on the machine's clock. */
export function peerStatus(
  peer: MachinePeer,
  path: CarriedPath,
  now: number,
  traffic: PeerTraffic | undefined,
): PeerStatus {
  return {
    address: formatIpv6(peer.address),
    ...(peer.mapped === undefined ? {} : { mapped: formatEndpoint(peer.mapped) }),
    trusted: peer.trusted,
    ...(peer.means === undefined ? {} : { means: peer.means }),
    local: peer.local !== undefined,
    offloaded: peer.offloaded,
    ...carriedStatus(path),
    ...(traffic ?? NO_TRAFFIC),
    ...secondsAgo(peer.lastReceivedMs, peer.lastSentMs, now),
  };
}

/** How far a peer is carried by the kernel. */
export function carriedStatus({ way, reason }: CarriedPath): Pick<PeerStatus, 'carried' | 'carriedReason'> {
  return { carried: way, ...(reason === undefined ? {} : { carriedReason: reason }) };
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
