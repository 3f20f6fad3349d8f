import type { SocketId } from '../../socket-id.ts';
import type { Solicitation } from '../ask/solicitation.ts';
import type { ClientContext } from '../context.ts';
import type { GuessTrailer, PortHabit } from '../../../wire/index.ts';
import type { PeerPath } from './peer-path.ts';

/** A NAT counts up if its ports for two destinations in a row are at most this far apart. */
export const MAX_STEP = 64;

/** One guess of ports with one peer, from the offer to its end. docs/adr/0016 */
export interface Guess {
  readonly token: number;
  endsAt: number;
  /** The peer is reached. */
  isOver: boolean;
  /** This host wants to reach the peer. */
  isWanted: boolean;
  /** Token of the last trailer received from the peer; any host can have sent it. */
  heard: number;
  /** The last trailer that echoed our token. Only the peer can have sent it. */
  peer: GuessTrailer | undefined;
  /** Indirect bubbles sent in answer to trailers without our token. */
  answers: number;
  /** Each side has shown the other one's token: both want to guess. */
  agreed: boolean;
  /** The next external port of our counting NAT, and its step; 0: not measured. */
  port: number;
  step: number;
  /** Our socket for the last measurement. */
  measuredBy: SocketId;
  measuring: readonly [Solicitation, Solicitation] | undefined;
  /** The socket of the fan on which the first port of the peer's volley was heard. */
  firstBy: SocketId | undefined;
  /** Bubbles that may still be sent back to where the volley's socket has heard the fan. */
  replies: number;
  /** When our last indirect bubble is repeated, and how often that is still allowed. */
  askAt: number;
  asksLeft: number;
  /** Bubbles sent to guessed places. */
  sent: number;
  /** The bubbles still to be sent. */
  shots: Generator<void> | undefined;
  nextAt: number;
  sockets: SocketId[];
}

/** The guesses under way. */
export type Guesses = Map<PeerPath, Guess>;

/** The way in which our NAT assigns ports. */
export function portHabit({ qualified }: ClientContext): PortHabit {
  const { symmetric, portStep } = qualified!;
  if (!symmetric) return 'stable';
  return portStep > 0 && portStep <= MAX_STEP ? 'counting' : 'random';
}

/** The guess trailer of a bubble to a peer; undefined: none. `guess`: the one under way with this peer. */
export function guessTrailer(
  context: ClientContext,
  path: PeerPath,
  guess: Guess | undefined,
): GuessTrailer | undefined {
  const habit = portHabit(context);
  if (guess === undefined) {
    // A peer that has sent its habit learns ours.
    return path.habit === undefined ? undefined : { habit, port: 0, step: 0, token: 0, echo: 0 };
  }
  const isMeasured = guess.measuring === undefined && guess.port !== 0;
  return {
    habit,
    port: isMeasured ? guess.port : 0,
    step: isMeasured ? guess.step : 0,
    token: guess.token,
    echo: guess.heard,
  };
}
