export { RelayUsers } from './relay-users.ts';
export { mergedUsers } from './merged.ts';
export { firstOf, withUnreported } from './unreported.ts';
export { KEPT as MOST_USERS } from './summary.ts';
export { OCTETS_PER_TALLY } from './tallies.ts';
export { USER_WINDOWS } from './windows.ts';
export type { UserWindow } from './windows.ts';
export type { HeavyUser, HeavyUsers, UsersOfKind } from './heavy-users.ts';
