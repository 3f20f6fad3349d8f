import type { SocketId } from '../socket-id.ts';
import type { Endpoint } from '../../wire/index.ts';

/** A pair, and the socket of this client by which it is reached. */
export interface Place extends Endpoint {
  readonly socket: SocketId;
}
