export { RelayUsers } from './relay-users.ts';
export type { UserWindow } from './windows.ts';
export type { HeavyUsers } from './heavy-users.ts';
