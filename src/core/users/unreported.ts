import type { UnreportedTraffic } from '../peer-traffic.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { HeavyUser, HeavyUsers } from './heavy-users.ts';

/** Adds the packets of these clients that the kernel path has carried within the window and not reported yet. */
export function withUnreported(
  users: HeavyUsers,
  unreportedOf: (peer: Ipv6) => UnreportedTraffic,
  now: number,
): HeavyUsers {
  let added = 0;
  const peers = users.peers.users.map((peer): HeavyUser => {
    const { receivedBytes, sentBytes, lastAt } = unreportedOf(peer.address);
    if (now - lastAt > users.ms) return peer;
    added += receivedBytes + sentBytes;
    return {
      ...peer,
      receivedBytes: peer.receivedBytes + receivedBytes,
      sentBytes: peer.sentBytes + sentBytes,
    };
  });
  peers.sort((a, b) => octetsOf(b) - octetsOf(a));
  return { ...users, peers: { ...users.peers, totalBytes: users.peers.totalBytes + added, users: peers } };
}

/** At most `most` clients, and as many prefixes. */
export function firstOf({ ms, peers, prefixes }: HeavyUsers, most: number): HeavyUsers {
  return {
    ms,
    peers: { ...peers, users: peers.users.slice(0, most) },
    prefixes: { ...prefixes, users: prefixes.users.slice(0, most) },
  };
}

function octetsOf({ receivedBytes, sentBytes }: HeavyUser): number {
  return receivedBytes + sentBytes;
}
