import { request } from 'node:http';
import { formatIpv4 } from '../../wire/index.ts';
import { ANSWER_MS, noteShortage } from './gateway-socket.ts';
import type { Silent, WayToGateway } from './gateway-socket.ts';

/** The largest body of an answer; descriptions of gateways have some 5 KB. */
const BODY_MOST = 64 << 10;
/** The most 1xx answers before the final one. RFC 9110 section 15.2 permits them to a request that did not ask for one. */
const INTERIM_MOST = 4;

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * Sends one request to a gateway, at a URL that the gateway gave. Undefined if no program listens there. `silent` also if the answer is too
 * long or is not a final one (101 Switching Protocols), or if `signal` aborts. A redirection is an ordinary answer, and is not followed.
 * Settles within `answerMs` by a timer of its own, whatever the connection does.
 */
export function askHttp(
  url: URL,
  way: WayToGateway,
  {
    post,
    signal,
  }: {
    readonly post?: { readonly body: string; readonly headers: Readonly<Record<string, string>> };
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<HttpAnswer | Silent | undefined> {
  const { source, answerMs = ANSWER_MS } = way;
  return new Promise((resolve) => {
    const end = (answer: HttpAnswer | Silent | undefined): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      sent.destroy();
      resolve(answer);
    };
    const giveUp = (): void => end('silent');
    const timer = setTimeout(giveUp, answerMs);
    const sent = request(url, {
      agent: false,
      localAddress: formatIpv4(source),
      method: post === undefined ? 'GET' : 'POST',
      headers: { ...post?.headers, Connection: 'close' },
    });
    let interim = 0;
    sent.on('information', () => void (++interim > INTERIM_MOST && giveUp()));
    sent.on('upgrade', (_, socket) => {
      socket.destroy();
      giveUp();
    });
    sent.on('response', (response) => {
      if ((response.statusCode ?? 0) < 200) return giveUp(); // 101 without an Upgrade header
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length <= BODY_MOST) chunks.push(chunk);
        else giveUp();
      });
      response.on('end', () =>
        end({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
      response.on('error', giveUp);
      response.on('close', giveUp); // harmless after the end
    });
    // Never removed: errors may come after the end.
    sent.on('error', (error: NodeJS.ErrnoException) => {
      noteShortage(error, way);
      end(error.code === 'ECONNREFUSED' ? undefined : 'silent');
    });
    sent.on('close', giveUp);
    signal?.addEventListener('abort', giveUp);
    if (signal?.aborted === true) giveUp();
    else sent.end(post?.body);
  });
}
