import { NO_PEER } from './peer-table.ts';
import { DatagramView, parseTrailers } from '../wire/index.ts';
import type { Ipv4, Trailers } from '../wire/index.ts';
import type { SocketId } from './socket-id.ts';

const NOTHING = new Uint8Array(0);
const NO_TRAILERS = parseTrailers(NOTHING, 0, 0);

/**
 * A datagram that a machine has received, and the facts that the machine has found about it. Each machine has one of these and fills it again for
 * each datagram, so that a packet costs no object. Nothing may keep it: copy the values that outlive the input.
 */
export class Arrival {
  /** The socket on which it came. */
  socket: SocketId = 0;
  buffer: Uint8Array = NOTHING;
  /** Where its parts lie in the buffer. */
  readonly view = new DatagramView();
  /** Read by clients only. */
  trailers: Readonly<Trailers> = NO_TRAILERS;
  /** Its outer source. */
  address: Ipv4 = 0;
  port = 0;
  /** The peer with its IPv6 source address; NO_PEER: unknown. */
  peer = NO_PEER;
  /** When it came (ms). */
  now = 0;
}
