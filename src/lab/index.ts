/** Small internets in network namespaces, for the demo, the tests and the benchmarks. Needs root, iproute2, nftables. */
export { block, unblock } from './blocking.ts';
export { Capture } from './capture.ts';
export { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, SERVER_SECONDARY } from './internet.ts';
export type { Site } from './internet.ts';
export { Lab } from './lab.ts';
export { Namespace } from './namespace.ts';
export { flushMappings, moveMappings } from './nat.ts';
export type { NatBehaviour, NatExtras } from './nat.ts';
export { Running, execute, until } from './process.ts';
export { Flow, ping, timeToFirstReply, transfer } from './traffic.ts';
