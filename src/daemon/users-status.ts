import type {
  Answerer,
  HeavyPeer,
  HeavyPrefix,
  HeavyUser as UserJson,
  UsersStatus,
} from '../control/status.ts';
import type { HeavyUser, HeavyUsers, UserWindow } from '../core/users/index.ts';
import { formatEndpoint, formatIpv6, mappedAddressOf, mappedPortOf } from '../wire/index.ts';

/** A relay's users as `teredo users` shows them. */
export function usersStatus(window: UserWindow, users: HeavyUsers): Omit<UsersStatus, keyof Answerer> {
  const { ms, peers, prefixes } = users;
  const kinds = [peers, prefixes];
  return {
    window,
    windowSeconds: Math.round(ms / 100) / 10,
    exact: kinds.every(({ missedBytes, users }) => missedBytes === 0 && users.every(isExact)),
    totalBytes: peers.totalBytes,
    missedPeerBytes: peers.missedBytes,
    missedPrefixBytes: prefixes.missedBytes,
    peers: peers.users.map((peer) => peerOf(peer, peers.totalBytes)),
    prefixes: prefixes.users.map((prefix) => prefixOf(prefix, prefixes.totalBytes)),
  };
}

/** The largest of them, where there are any. */
export function largestUsers(users: HeavyUsers): { largestPeer?: HeavyPeer; largestPrefix?: HeavyPrefix } {
  const { peers, prefixes } = usersStatus('minute', users);
  return {
    ...(peers[0] === undefined ? {} : { largestPeer: peers[0] }),
    ...(prefixes[0] === undefined ? {} : { largestPrefix: prefixes[0] }),
  };
}

function isExact({ errorBytes }: HeavyUser): boolean {
  return errorBytes === 0;
}

function peerOf(peer: HeavyUser, total: number): HeavyPeer {
  const { address } = peer;
  const mapped = { address: mappedAddressOf(address, 0), port: mappedPortOf(address, 0) };
  return { address: formatIpv6(address), mapped: formatEndpoint(mapped), ...countsOf(peer, total) };
}

function prefixOf(prefix: HeavyUser, total: number): HeavyPrefix {
  return { prefix: `${formatIpv6(prefix.address)}/64`, ...countsOf(prefix, total) };
}

function countsOf({ receivedBytes, sentBytes, errorBytes }: HeavyUser, total: number): UserJson {
  const share = total === 0 ? 0 : (receivedBytes + sentBytes) / total;
  return { receivedBytes, sentBytes, errorBytes, share: Math.round(share * 1e4) / 1e4 };
}
