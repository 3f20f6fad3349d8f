import type { Socket } from 'node:net';

/** A client has read the last answer by then. */
const ANSWER_MS = 5_000;

/** Sends an answer and ends the connection. Later octets of the client are read and dropped: unread ones would make the kernel drop the answer. */
export async function lastAnswer(client: Socket, answer: Uint8Array): Promise<void> {
  if (client.destroyed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => client.destroy(), ANSWER_MS);
    client.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    client.resume().end(answer);
  });
}
