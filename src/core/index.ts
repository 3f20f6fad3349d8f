/** The protocol machines: deterministic; sockets, clock and randomness come from the driver. */
export { AccessList, MAX_ACCESS_PREFIXES } from './access-list.ts';
export type { AccessRules } from './access-list.ts';
export { AddressPolicy } from './address-policy.ts';
export type { Subnet } from './address-policy.ts';
export * from './client/index.ts';
export { CommandRing } from './commands.ts';
export type { CommandExecutor } from './commands.ts';
export type { Entropy } from './entropy.ts';
export type { ClientState, MachineEvent, NatKind, QualificationReason } from './events.ts';
export { HEADROOM } from './machine.ts';
export type { Machine, SocketId } from './machine.ts';
export * from './relay/index.ts';
export * from './server/index.ts';
export { authenticationValue, verifyAuthentication } from './secure.ts';
export type { BucketLimits } from './token-buckets.ts';
