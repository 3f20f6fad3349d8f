export { RelayMachine } from './machine.ts';
export { SOCKET as RELAY_SOCKET } from './options.ts';
export type { RelayOptions } from './options.ts';
export { RELAY_LIMITS } from './limits.ts';
export type { RelayLimits } from './limits.ts';
export { RELAY_COUNTERS } from './counters.ts';
export { indivisibleRelayLimit, relayWorkersPart } from './workers-part.ts';
export type { RelayMachineStatus } from './status.ts';
