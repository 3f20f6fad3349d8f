/** For programs that ask running daemons: `teredo/control`. */
export { ControlClient } from './client.ts';
export type { ControlClientOptions, PeersQuestion, UsersQuestion } from './client.ts';
export { ControlError } from './control-error.ts';
export type { ControlErrorCode } from './control-error.ts';
export type { DaemonEvent, EventsQuestion } from './event-stream.ts';
export type * from './objects.ts';
export type { PeerOrder } from './peer-order.ts';
