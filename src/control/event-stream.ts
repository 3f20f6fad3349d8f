/** The events of a daemon: server-sent events of HTTP on its control socket. */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { fitsSchema } from './answer-shape.ts';
import { parseForeign } from './control-client.ts';
import { ControlError, controlErrorOf, misunderstood, refusalOf } from './control-error.ts';
import type { Refusal } from './control-protocol.ts';
import type { EventStatus, RoleStatus } from './status.ts';

/** The status each second, and the events of the log. */
export type DaemonEvent =
  | { readonly type: 'status'; readonly status: RoleStatus }
  | { readonly type: 'log'; readonly event: EventStatus };

export interface EventsQuestion {
  /** Ends the events. */
  readonly signal?: AbortSignal;
  /** `id` of the last known event of the log: of the history only those after it come. */
  readonly after?: number;
}

/** A daemon sends its status each second. */
const SILENCE_MS = 15_000;
/** Of one event. */
const MOST_CHARACTERS = 4 << 20;
const MOST_OF_REFUSAL = 64 << 10;

/** The events of the daemon at this path, from those that it has kept; they end when the daemon ends. Throws a ControlError. */
export async function* eventsAt(path: string, question: EventsQuestion): AsyncGenerator<DaemonEvent> {
  const { createParser } = await import('eventsource-parser');
  const found: DaemonEvent[] = [];
  const parser = createParser({
    maxBufferSize: MOST_CHARACTERS,
    onEvent: ({ event, data }) => void found.push(...eventOf(path, event, data)),
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded') throw misunderstood(path);
    },
  });
  let hasBegun = false;
  try {
    const response = await open(path, question);
    if (response.statusCode !== 200) throw await refusalIn(response, path);
    hasBegun = true;
    for await (const text of response.setEncoding('utf8') as AsyncIterable<string>) {
      parser.feed(text);
      yield* found.splice(0);
    }
  } catch (error) {
    question.signal?.throwIfAborted();
    if (hasBegun && isBroken(error)) return;
    throw errorOf(error, path);
  }
}

function open(path: string, { signal, after }: EventsQuestion): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { Host: 'localhost', ...(after === undefined ? {} : { 'Last-Event-ID': String(after) }) };
    const asked = request({
      socketPath: path,
      path: '/events',
      headers,
      agent: false,
      timeout: SILENCE_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    asked.on('timeout', () => asked.destroy(new ControlError('timed-out', `no event from ${path}`)));
    asked.on('response', resolve).on('error', reject).end();
  });
}

/** None of a kind that a later version has added. */
function eventOf(path: string, kind: string | undefined, data: string): DaemonEvent[] {
  if (kind !== 'status' && kind !== 'log') return [];
  const value = parseForeign(data);
  if (!fitsSchema(kind === 'log' ? 'event' : 'status', value)) throw misunderstood(path);
  return [
    kind === 'log'
      ? { type: kind, event: value as EventStatus }
      : { type: kind, status: value as RoleStatus },
  ];
}

async function refusalIn(response: IncomingMessage, path: string): Promise<ControlError> {
  let text = '';
  for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) {
    text += part;
    if (text.length > MOST_OF_REFUSAL) return misunderstood(path);
  }
  const refusal = parseForeign(text) as Partial<Refusal> | null | undefined;
  if (typeof refusal?.code !== 'string' || typeof refusal.message !== 'string') return misunderstood(path);
  return refusalOf(refusal as Refusal);
}

/** The daemon has closed the connection. */
function isBroken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

/** A connection that ends before its answer: the daemon has ended. Another answer than one of HTTP: of another program, or of an old version. */
function errorOf(error: unknown, path: string): ControlError {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (isBroken(error))
    return new ControlError('no-answer', `the daemon at ${path} has ended`, { cause: error });
  return code.startsWith('HPE_') ? misunderstood(path) : controlErrorOf(error, path);
}
