export { ServerMachine } from './machine.ts';
export { SERVER_COUNTERS } from './counters.ts';
export { SOCKET as SERVER_SOCKET } from './options.ts';
export type { ClientKey, ServerOptions } from './options.ts';
export { SERVER_LIMITS, indivisibleBurst, partOf, workersPart } from './limits.ts';
export type { ServerLimits, SharedWork } from './limits.ts';
export type { ServerMachineStatus } from './status.ts';
