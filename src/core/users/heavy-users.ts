import { writeUint32 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { tallyingError } from './tallies.ts';
import { KEY_WORDS } from './summary.ts';
import type { UserCounts } from './summary.ts';
import type { WindowUsers } from './windows.ts';

/** A user in a window: octets that the relay has received from it, and sent to it. */
export interface HeavyUser {
  /** Of a prefix, its first address. */
  readonly address: Ipv6;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** The true sum of both differs from this one by at most so much. */
  readonly errorBytes: number;
}

/** Users of one kind. */
export interface UsersOfKind {
  /** The octets of all. */
  readonly totalBytes: number;
  /** The most octets that a user can have without being found; 0: all users are found. */
  readonly missedBytes: number;
  /** Those with the most octets first. */
  readonly users: readonly HeavyUser[];
}

export interface HeavyUsers {
  /** How long the window is, ms. */
  readonly ms: number;
  readonly peers: UsersOfKind;
  readonly prefixes: UsersOfKind;
}

export function heavyUsers(peers: WindowUsers, prefixes: WindowUsers, most: number): HeavyUsers {
  return {
    ms: peers.ms,
    peers: ofKind(peers.users, most),
    prefixes: ofKind(prefixes.users, most),
  };
}

function ofKind(counts: UserCounts, most: number): UsersOfKind {
  const { received, sent, receivedTotal, sentTotal, error } = counts;
  const octetsOf = (i: number): number => received[i]! + sent[i]!;
  const ranked = Array.from({ length: counts.count }, (_, i) => i).sort((a, b) => octetsOf(b) - octetsOf(a));
  return {
    totalBytes: receivedTotal + sentTotal,
    missedBytes: error,
    users: ranked.slice(0, most).map((i) => userAt(counts, i)),
  };
}

function userAt({ keys, received, sent, missed, estimatedTotal }: UserCounts, i: number): HeavyUser {
  const address = new Uint8Array(16);
  for (let word = 0; word < KEY_WORDS; word++) writeUint32(address, 4 * word, keys[KEY_WORDS * i + word]!);
  const tallied = Math.min(received[i]! + sent[i]!, estimatedTotal);
  return {
    address,
    receivedBytes: received[i]!,
    sentBytes: sent[i]!,
    errorBytes: Math.ceil(missed[i]! + tallyingError(tallied)),
  };
}
