import { request } from 'node:http';
import type { ServerResponse } from 'node:http';
import { ask } from '../../control/control-client.ts';
import type { ControlRequest } from '../../control/control-protocol.ts';

/** A daemon that gives no head of an answer for so long counts as hanging. */
const ANSWER_MS = 10_000;
const SECOND_MS = 1_000;

const STREAM = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' };

/** Asks the daemon at a control socket, and answers with its JSON. */
export async function passOn(path: string, asked: ControlRequest, response: ServerResponse): Promise<void> {
  const answer = await ask(path, asked);
  if (answer.ok) answerJson(response, 200, answer.result);
  else answerJson(response, 404, answer);
}

/** Passes the events of a daemon on. A daemon that has no stream of them is asked for its status each second. */
export function passEventsOn(path: string, response: ServerResponse): void {
  const asked = request({ socketPath: path, path: '/events', headers: { Host: 'localhost' }, agent: false });
  asked.setTimeout(ANSWER_MS, () => asked.destroy(new Error('it does not answer')));
  asked.on('response', (answer) => {
    if (answer.statusCode !== 200) {
      asked.destroy(new Error(`HTTP status ${answer.statusCode}`));
      return;
    }
    asked.setTimeout(0);
    response.writeHead(200, STREAM);
    response.flushHeaders();
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  asked.on('error', () => {
    if (response.headersSent) response.destroy();
    else void sendStatus(path, response);
  });
  response.on('close', () => asked.destroy());
  asked.end();
}

async function sendStatus(path: string, response: ServerResponse): Promise<void> {
  response.writeHead(200, STREAM);
  try {
    while (!response.destroyed) {
      const answer = await ask(path, { command: 'status' });
      if (!answer.ok) break;
      response.write(`event: status\ndata: ${JSON.stringify(answer.result)}\n\n`);
      await new Promise((resolve) => setTimeout(resolve, SECOND_MS));
    }
  } catch {
    // the daemon has ended
  }
  response.end();
}

/** As a daemon refuses. */
export function refuse(response: ServerResponse, status: number, message: string): void {
  answerJson(response, status, { ok: false, code: 'failed', message });
}

export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(value));
}
