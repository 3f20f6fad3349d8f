import { createSocket } from 'node:dgram';
import { formatIpv4 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { isShortage, noteSystemFailure } from '../system-failures.ts';

/** Addresses for talking to a gateway: the gateway's on our link, and ours. */
export interface WayToGateway {
  readonly gateway: Ipv4;
  readonly source: Ipv4;
  /** The total time to wait for an answer; without it {@link ANSWER_MS}. */
  readonly answerMs?: number;
  /** Called when this host lacks descriptors or memory for a request: silence is then not the gateway's. */
  readonly onShortage?: () => void;
}

/** No answer came. The gateway may have carried out the request nevertheless. */
export type Silent = 'silent';

export function unlessSilent<T extends object>(answer: T | Silent | undefined): T | undefined {
  return answer === 'silent' ? undefined : answer;
}

/** Counts and reports an error of this host. Any other error is the network's or the gateway's. */
export function noteShortage(error: unknown, { onShortage }: WayToGateway): void {
  if (!isShortage(error)) return;
  noteSystemFailure(error);
  onShortage?.();
}

export const ANSWER_MS = 2_000;
/** Shares of that time. RFC 6886 section 3.1: the request is repeated after 250 ms, then each time after twice as long. */
const AGAIN = [1 / 8, 3 / 8, 7 / 8];

/**
 * Sends a request until an answer comes; undefined if no program listens there, or `signal` aborts. The socket is connected, so that the
 * kernel accepts datagrams from the gateway only.
 */
export function askGateway<T extends object>(
  way: WayToGateway,
  port: number,
  request: Uint8Array,
  read: (answer: Uint8Array) => T | undefined,
  signal?: AbortSignal,
): Promise<T | Silent | undefined> {
  const { gateway, source, answerMs = ANSWER_MS } = way;
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const timers: NodeJS.Timeout[] = [];
    const end = (answer: T | Silent | undefined): void => {
      if (ended) return;
      ended = true;
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      socket.close();
      resolve(answer);
    };
    const giveUp = (): void => end(undefined);
    let ended = false;
    const fail = (error: NodeJS.ErrnoException): void => {
      if (!ended) noteShortage(error, way);
      end(error.code === 'ECONNREFUSED' ? undefined : 'silent');
    };
    const send = (): void => {
      if (!ended) socket.send(request, (error) => void (error !== null && fail(error)));
    };
    socket.on('error', fail);
    socket.on('connect', () => {
      if (ended) return;
      send();
      for (const part of AGAIN) timers.push(setTimeout(send, part * answerMs));
    });
    socket.on('message', (message) => {
      const answer = read(message);
      if (answer !== undefined) end(answer);
    });
    socket.bind(0, formatIpv4(source), () => {
      if (ended) return;
      socket.connect(port, formatIpv4(gateway)); // without a callback: it would get the errors
    });
    timers.push(setTimeout(() => end('silent'), answerMs));
    if (signal?.aborted === true) giveUp();
    else signal?.addEventListener('abort', giveUp);
  });
}
