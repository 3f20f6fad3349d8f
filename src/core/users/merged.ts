import { readUint32 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { HeavyUser, HeavyUsers, UsersOfKind } from './heavy-users.ts';

/** The users of several machines with different clients, as if they were one: at most `most` of each kind. */
export function mergedUsers(lists: readonly [HeavyUsers, ...HeavyUsers[]], most: number): HeavyUsers {
  const [{ ms }] = lists;
  return {
    ms,
    peers: ofDifferent(
      lists.map(({ peers }) => peers),
      most,
    ),
    prefixes: ofTheSame(
      lists.map(({ prefixes }) => prefixes),
      most,
    ),
  };
}

/** A client is known to one machine only. */
function ofDifferent(lists: readonly UsersOfKind[], most: number): UsersOfKind {
  return {
    totalBytes: totalOf(lists),
    missedBytes: Math.max(...lists.map(({ missedBytes }) => missedBytes)),
    users: firstOf(
      lists.flatMap(({ users }) => users),
      most,
    ),
  };
}

/** A native prefix may have traffic with clients of each. A machine that does not name it has seen at most so much of it as it can miss. */
function ofTheSame(lists: readonly UsersOfKind[], most: number): UsersOfKind {
  const missedBytes = lists.reduce((sum, list) => sum + list.missedBytes, 0);
  const found = new Map<string, HeavyUser>();
  for (const list of lists)
    for (const user of list.users) {
      const key = keyOf(user.address);
      const { address, receivedBytes, sentBytes, errorBytes } = user;
      const sum = found.get(key) ?? { address, receivedBytes: 0, sentBytes: 0, errorBytes: missedBytes };
      found.set(key, {
        address,
        receivedBytes: sum.receivedBytes + receivedBytes,
        sentBytes: sum.sentBytes + sentBytes,
        errorBytes: sum.errorBytes - list.missedBytes + errorBytes,
      });
    }
  return { totalBytes: totalOf(lists), missedBytes, users: firstOf([...found.values()], most) };
}

function totalOf(lists: readonly UsersOfKind[]): number {
  return lists.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
}

function firstOf(users: readonly HeavyUser[], most: number): HeavyUser[] {
  const octets = ({ receivedBytes, sentBytes }: HeavyUser): number => receivedBytes + sentBytes;
  return users.toSorted((one, other) => octets(other) - octets(one)).slice(0, most);
}

function keyOf(address: Ipv6): string {
  return `${readUint32(address, 0)}:${readUint32(address, 4)}`;
}
