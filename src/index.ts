/** The library: Teredo's roles over this machine's kernel, or over ports of your own. */
export { Client } from './runtime/client.ts';
export type { ClientEvents, ClientSettings } from './runtime/client.ts';
export type { CarriedTotals, DataPath, DataPathWish } from './runtime/fast-path-use.ts';
export type { DefaultRoute } from './runtime/client-interface.ts';
export type { Inbound } from './runtime/tunnel-guard.ts';
export { ALL_NATIVE, Relay } from './runtime/relay.ts';
export type { RelayEvents, RelaySettings } from './runtime/relay.ts';
export { Server } from './runtime/server.ts';
export type { ServerEvents, ServerSettings } from './runtime/server.ts';
export { AccessList } from './core/access-list.ts';
export type { AccessRules } from './core/access-list.ts';
export { SettingsError } from './runtime/settings/settings-error.ts';
export { LifecycleError } from './runtime/start-once.ts';
export { EnvironmentError } from './io/errors.ts';
export type { EnvironmentErrorCode } from './io/errors.ts';
export { kernelPorts } from './io/kernel-ports.ts';
export type { PortFactory } from './io/port-factory.ts';
export type * from './io/ports.ts';
