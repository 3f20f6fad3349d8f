import { request } from 'node:http';
import { formatIpv4 } from '../../wire/index.ts';
import { ANSWER_MS } from './gateway-socket.ts';
import type { Silent, WayToGateway } from './gateway-socket.ts';

/** Of an answer's body; descriptions of gateways have some 5 KB. */
const BODY_MOST = 64 << 10;
/** Answers of the kind 1xx before the real one. RFC 9110 section 15.2 allows them to a request that has not asked for one. */
const INTERIM_MOST = 4;

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * One request to a gateway, which a URL of its own has named; undefined where nobody listens there, silent also where the answer is too
 * long, is none (101 Switching Protocols), or `signal` ends it. Redirections are answers like others, and not followed. Settles within
 * `answerMs` by a timer of its own, whatever the connection does.
 */
export function askHttp(
  url: URL,
  { source, answerMs = ANSWER_MS }: WayToGateway,
  {
    post,
    signal,
  }: {
    readonly post?: { readonly body: string; readonly headers: Readonly<Record<string, string>> };
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<HttpAnswer | Silent | undefined> {
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
      if ((response.statusCode ?? 0) < 200) return giveUp(); // 101 with no header Upgrade
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
    // Stays for as long as the connection: errors may come after the end, too.
    sent.on('error', ({ code }: NodeJS.ErrnoException) =>
      end(code === 'ECONNREFUSED' ? undefined : 'silent'),
    );
    sent.on('close', giveUp);
    signal?.addEventListener('abort', giveUp);
    if (signal?.aborted === true) giveUp();
    else sent.end(post?.body);
  });
}
