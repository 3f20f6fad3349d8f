import type { ServerResponse } from 'node:http';
import type { HttpAnswer, Pieces } from './answer.ts';

/** An answer holds addresses of peers: no other page may use it, and no cache keep it. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  Connection: 'close',
};

/** Writes an answer. Rejects with the error of a body that cannot be made further. */
export async function send(response: ServerResponse, answer: HttpAnswer, isHead: boolean): Promise<void> {
  const { status, headers, body } = answer;
  const length = typeof body === 'string' ? { 'Content-Length': Buffer.byteLength(body) } : {};
  response.writeHead(status, { ...HEADERS, ...headers, ...length });
  if (!isHead && typeof body !== 'string') await sendPieces(response, body);
  else response.end(isHead ? undefined : body);
}

async function sendPieces(response: ServerResponse, { next, end }: Pieces): Promise<void> {
  const ended = (): void => end?.();
  response.on('close', ended);
  try {
    for (;;) {
      const piece = await next();
      if (piece === undefined || !(await take(response, piece))) break;
    }
    response.end();
  } finally {
    response.off('close', ended);
    ended();
  }
}

/** Whether the reader's side has taken it. */
function take(response: ServerResponse, piece: string): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) resolve(false);
    else if (piece === '') resolve(true);
    else response.write(piece, (error) => resolve(error === undefined || error === null));
  });
}
