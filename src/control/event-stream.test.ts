import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ControlClient } from './client.ts';
import type { DaemonEvent } from './event-stream.ts';

/** A socket of another program. */
async function foreign(onConnection: (socket: Socket) => void): Promise<ControlClient> {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-events-'));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    onConnection(socket);
  });
  const path = join(directory, 'it.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return new ControlClient(path);
}

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n';
const says =
  (text: string) =>
  (socket: Socket): void =>
    void socket.end(text);

async function all(events: AsyncIterable<DaemonEvent>): Promise<DaemonEvent[]> {
  const found: DaemonEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

const ENTRY = {
  id: 7,
  time: '2026-11-29T06:12:03.512Z',
  level: 'info',
  event: 'notice',
  message: 'hello',
  fields: {},
};

test('the events come with their types; those of a later version are left out', async () => {
  const text = `${HEAD}event: later\ndata: {}\n\nid: 7\nevent: log\ndata: ${JSON.stringify(ENTRY)}\n\n`;
  expect(await all((await foreign(says(text))).events())).toEqual([{ type: 'log', event: ENTRY }]);
});

test('an abort ends them', async () => {
  const stop = new AbortController();
  const client = await foreign((socket) => {
    socket.write(HEAD);
    stop.abort(new Error('enough'));
  });
  await expect(all(client.events({ signal: stop.signal }))).rejects.toThrow('enough');
});

test('they end when the daemon closes the connection in the middle', async () => {
  const head = HEAD.replace(/\r\n$/, 'Transfer-Encoding: chunked\r\n\r\n');
  const client = await foreign((socket) =>
    socket.once('data', () => socket.write(head, () => socket.destroy())),
  );
  expect(await all(client.events())).toEqual([]);
});

test.for<[string, string, string]>([
  ['garbage', '220 ready\r\n', 'not-understood'],
  ['nothing', '', 'no-answer'],
  [
    'the answer of an earlier version',
    '{"ok":false,"code":"bad-request","message":"no"}\n',
    'not-understood',
  ],
  ['a status of wrong types', `${HEAD}event: status\ndata: {"version":1}\n\n`, 'not-understood'],
  ['no JSON', `${HEAD}event: log\ndata: {\n\n`, 'not-understood'],
  ['a line without end', `${HEAD}data: ${'x'.repeat(5 << 20)}`, 'not-understood'],
  ['a page', `HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!`, 'not-understood'],
  [
    'a refusal',
    `HTTP/1.1 429 Too Many\r\nContent-Length: 48\r\n\r\n{"ok":false,"code":"too-many","message":"later"} `,
    'too-many',
  ],
])('a foreign socket that gives %s does no harm', async ([, text, code]) => {
  const client = await foreign(says(text));
  await expect(all(client.events())).rejects.toMatchObject({ name: 'ControlError', code });
});

test('where no daemon listens', async () => {
  await expect(all(new ControlClient('/nowhere/it.sock').events())).rejects.toMatchObject({
    code: 'no-daemon',
  });
});
