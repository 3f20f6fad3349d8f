import type { SocketId } from '../../socket-id.ts';
import type { Solicitation } from '../ask/solicitation.ts';
import type { GuessTrailer } from '../../../wire/index.ts';

/** One guess of ports with one peer, from the offer to its end. docs/adr/0016 */
export interface Guess {
  readonly token: number;
  endsAt: number;
  /** The peer is reached. */
  isOver: boolean;
  /** This host wants to reach the peer. */
  isWanted: boolean;
  /** The peer's last word, and its last that has shown our token: which others do not know. */
  heard: number;
  peer: GuessTrailer | undefined;
  /** Indirect bubbles that words without our token have caused. */
  answers: number;
  /** Both know that the other one wants it. */
  agreed: boolean;
  /** Our own next port, where our NAT counts. */
  port: number;
  step: number;
  /** Our socket that has asked last. */
  measuredBy: SocketId;
  measuring: readonly [Solicitation, Solicitation] | undefined;
  /** By this socket of the fan the peer was heard from the first port of its volley. */
  firstBy: SocketId | undefined;
  /** Bubbles that may still go back to where the volley's socket has heard the fan. */
  replies: number;
  /** When to tell the peer once more what it has shown no answer to, and how often yet. */
  askAt: number;
  asksLeft: number;
  /** Bubbles that were sent to places that were guessed. */
  sent: number;
  /** What is still to be sent. */
  shots: Generator<void> | undefined;
  nextAt: number;
  sockets: SocketId[];
}
