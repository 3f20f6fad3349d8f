import { request } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { HttpAnswer, Pieces } from '../../daemon/http/answer.ts';

/** A daemon that gives no head of an answer for so long counts as hanging. */
const ANSWER_MS = 10_000;

/** A request, for the HTTP of a daemon. */
export interface Passed {
  readonly url: string;
  readonly isHead: boolean;
  readonly lastEventId: string | undefined;
}

/** The answer of the daemon at a control socket, as it comes. Rejects where it gives none. */
export function answerOf(path: string, { url, isHead, lastEventId }: Passed): Promise<HttpAnswer> {
  const headers: OutgoingHttpHeaders = { Host: 'localhost' };
  if (lastEventId !== undefined) headers['Last-Event-ID'] = lastEventId;
  const method = isHead ? 'HEAD' : 'GET';
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: path, path: url, method, headers, agent: false });
    asked.setTimeout(ANSWER_MS, () => asked.destroy(new Error(`no answer from ${path}`)));
    asked.on('error', reject);
    asked.on('response', (answer) => {
      asked.setTimeout(0);
      resolve({ status: answer.statusCode!, headers: headersOf(answer), body: piecesOf(answer) });
    });
    asked.end();
  });
}

/** The others are the same in all answers of HTTP. */
function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return { 'Content-Type': headers['content-type'] ?? 'application/octet-stream' };
}

/** Nothing is read before the reader has taken all before. */
function piecesOf(answer: IncomingMessage): Pieces {
  answer.setEncoding('utf8');
  const pieces = (answer as AsyncIterable<string>)[Symbol.asyncIterator]();
  return {
    next: async () => {
      const { done, value } = await pieces.next();
      return done === true ? undefined : value;
    },
    end: () => void answer.destroy(),
  };
}
