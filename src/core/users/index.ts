export { RelayUsers } from './relay-users.ts';
export { OCTETS_PER_TALLY } from './tallies.ts';
export type { UserWindow } from './windows.ts';
export type { HeavyUsers } from './heavy-users.ts';
