import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { httpDaemon } from '../../../test/support/http-rig.ts';
import type { Daemon } from '../../../test/support/http-rig.ts';
import { recentEvents } from '../recent-events.ts';

interface Stream {
  readonly status: number;
  readonly response: IncomingMessage;
  text: string;
}

async function open({ path }: Daemon, headers: Record<string, string> = {}): Promise<Stream> {
  const asked = request({ socketPath: path, path: '/events', headers }).end();
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
