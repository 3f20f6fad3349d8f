import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { IS_ALL } from '../../../test/support/extent.ts';
import { httpDaemon } from '../../../test/support/http-rig.ts';
import type { Daemon } from '../../../test/support/http-rig.ts';
import { recentEvents } from '../recent-events.ts';

interface Stream {
  readonly status: number;
  readonly response: IncomingMessage;
  text: string;
}

function open({ path }: Daemon, headers: Record<string, string> = {}): Promise<Stream> {
  return opened({ socketPath: path, headers });
}

async function opened(options: RequestOptions): Promise<Stream> {
  const asked = request({ path: '/events', ...options }).end();
  onTestFinished(() => void asked.destroy());
  const response = await new Promise<IncomingMessage>((resolve) => asked.on('response', resolve));
  response.on('error', () => {});
  const stream = { status: response.statusCode!, response, text: '' };
  response.setEncoding('utf8').on('data', (part: string) => (stream.text += part));
  return stream;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const logged = ({ text }: Stream): { id: number; message: string }[] =>
  [...text.matchAll(/^id: \d+\nevent: log\ndata: (.*)$/gm)].map(
    ([, data]) => JSON.parse(data!) as { id: number; message: string },
  );
const statuses = ({ text }: Stream): number =>
  text.match(/^event: status\ndata: \{"version":1,/gm)?.length ?? 0;

test('a reader gets the history, the status each second, and each event at once', async () => {
  recentEvents.note({ event: 'qualified', message: 'before', fields: { nat: 'none', server: undefined } });
  const stream = await open(await httpDaemon());
  await until(() => statuses(stream) === 1);
  expect(stream.response.headers['content-type']).toBe('text/event-stream');
  expect(logged(stream).at(-1)).toMatchObject({
    event: 'qualified',
    level: 'info',
    message: 'before',
    fields: { nat: 'none' },
  });
  recentEvents.note({ event: 'offline', message: 'two\nlines', fields: {} });
  await until(() => logged(stream).at(-1)!.message === 'two\nlines');
  expect(statuses(stream)).toBe(1);
  await until(() => statuses(stream) === 2);
});

test('a reader that comes again gets the events after its last one', async () => {
  const daemon = await httpDaemon();
  recentEvents.note({ event: 'notice', message: 'known', fields: {} });
  const last = recentEvents.after(0).at(-1)!.id;
  recentEvents.note({ event: 'notice', message: 'new', fields: {} });
  const stream = await open(daemon, { 'Last-Event-ID': String(last) });
  await until(() => statuses(stream) > 0);
  expect(logged(stream).map(({ message }) => message)).toEqual(['new']);
});

test('four streams of a user, no more; one that its reader leaves makes room', async () => {
  const daemon = await httpDaemon();
  const streams = await Promise.all(Array.from({ length: 4 }, () => open(daemon)));
  expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect((await open(daemon)).status).toBe(429);
  streams[0]!.response.destroy();
  let again = await open(daemon);
  while (again.status !== 200) again = await open(daemon);
  expect(again.status).toBe(200);
});

test('a daemon that ends closes its streams', async () => {
  const daemon = await httpDaemon();
  const stream = await open(daemon);
  await until(() => statuses(stream) === 1);
  daemon.control.close();
  await until(() => stream.response.closed);
});

/** Opens a stream, and takes so many octets of it in so many milliseconds. */
async function openSlowly(
  { path, port }: Daemon,
  way: 'unix' | 'tcp',
  octets: number,
  everyMs: number,
): Promise<Socket> {
  const socket = way === 'unix' ? connect(path) : connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const timer = setInterval(() => void socket.read(octets), everyMs);
  onTestFinished(() => clearInterval(timer));
  return socket;
}

test.runIf(IS_ALL).each([
  ['reads nothing, by the control socket', 'unix', 0, 1_000],
  ['reads nothing, over TCP', 'tcp', 0, 1_000],
  ['reads a little now and then, by the control socket', 'unix', 10, 100],
] as const)(
  'a reader that %s is closed, and keeps nothing; others read on',
  async (_, way, octets, everyMs) => {
    const daemon = await httpDaemon();
    const prompt = await open(daemon);
    await openSlowly(daemon, way, octets, everyMs);
    await until(() => daemon.control.connectionCount === 2);
    // More than the kernel takes at either end.
    const timer = setInterval(() => {
      for (let i = 0; i < 50; i++)
        recentEvents.note({ event: 'notice', message: 'x'.repeat(1_000), fields: {} });
    }, 100);
    onTestFinished(() => clearInterval(timer));
    const before = process.memoryUsage().arrayBuffers;
    await until(() => daemon.control.connectionCount === 1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10e6);
    clearInterval(timer);
    recentEvents.note({ event: 'notice', message: 'the last one', fields: {} });
    await until(() => logged(prompt).at(-1)?.message === 'the last one');
  },
  30_000,
);

test('a stream over TCP ends when its token is good no longer', async () => {
  const { port, rules } = await httpDaemon({}, 'old');
  const headers = { authorization: 'Bearer old' };
  const stream = await opened({ port, headers });
  await until(() => statuses(stream) > 0);
  rules.token = 'new';
  await once(stream.response, 'end');
  expect((await opened({ port, headers })).status).toBe(401);
});
