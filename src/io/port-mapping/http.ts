import { request } from 'node:http';
import { formatIpv4 } from '../../wire/index.ts';
import { ANSWER_MS } from './gateway-socket.ts';
import type { Silent, WayToGateway } from './gateway-socket.ts';

/** Of an answer's body; descriptions of gateways have some 5 KB. */
const BODY_MOST = 64 << 10;

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * One request to a gateway, which a URL of its own has named; undefined where nobody listens there, silent also where the answer is too
 * long, or `signal` ends it. Redirections are answers like others, and not followed.
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
  const timeout = AbortSignal.timeout(answerMs);
  return new Promise((resolve) => {
    const sent = request(
      url,
      {
        agent: false,
        localAddress: formatIpv4(source),
        method: post === undefined ? 'GET' : 'POST',
        headers: { ...post?.headers, Connection: 'close' },
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length <= BODY_MOST) chunks.push(chunk);
          else sent.destroy();
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        );
        response.on('error', () => resolve('silent'));
        response.on('close', () => resolve('silent')); // harmless after the end
      },
    );
    sent.on('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'ECONNREFUSED' ? undefined : 'silent'),
    );
    sent.end(post?.body);
  });
}
