import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ControlClient } from './client.ts';
import type { ControlRequest } from './control-protocol.ts';
import { ControlServer } from './control-server.ts';
import { networkNamespace } from './network-namespace.ts';

const STATUS = {
  version: 1,
  name: 'it',
  networkNamespace: networkNamespace(),
  pid: 1,
  uptimeSeconds: 1.5,
  limitsReached: [],
  counters: { droppedDenied: 1 },
  role: 'server',
  state: 'running',
  address: '192.0.2.1',
  secure: false,
  access: { prefixes: 0, allow: [], deny: [], default: 'allow' },
  dataPath: { inUse: 'user' },
};

const peer = (address: string, receivedBytes: number, receivedSecondsAgo: number): object => ({
  address,
  trusted: true,
  local: false,
  offloaded: false,
  carried: 'none',
  receivedPackets: 1,
  receivedBytes,
  sentPackets: 0,
  sentBytes: 0,
  receivedSecondsAgo,
});

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-client-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A daemon with these answers. */
async function daemon(
  answerTo: (request: ControlRequest) => unknown,
  { name = 'it', directory = folder() } = {},
): Promise<ControlClient> {
  const control = await ControlServer.listen(directory, name, (request) => ({
    ok: true,
    result: answerTo(request),
  }));
  onTestFinished(() => control!.close());
  return new ControlClient(control!.path);
}

/** A socket of another program. */
async function foreign(
  onConnection: (socket: Socket) => void,
  { name = 'it', directory = folder() } = {},
): Promise<string> {
  const path = join(directory, `${name}.sock`);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

test('the status and readiness of a daemon', async () => {
  const inWords = { ready: false, state: 'running', reason: 'it does not forward' };
  const client = await daemon(() => ({ ...STATUS, inWords, later: 'a field of a later version' }));
  expect(client.name).toBe('it');
  expect(await client.status()).toMatchObject(STATUS);
  expect(await client.ready()).toEqual(inWords);
});

test('peers come in the order that was asked for, of all there are', async () => {
  const peers = [peer('2001::1', 10, 3), peer('2001::2', 30, 1), peer('2001::3', 20, 2)];
  const limits: unknown[] = [];
  const client = await daemon(({ limit }) => {
    limits.push(limit);
    return { version: 1, name: 'it', networkNamespace: 'net:[1]', total: 3, peers };
  });
  const addresses = async (...question: Parameters<ControlClient['peers']>): Promise<string[]> =>
    (await client.peers(...question)).peers.map(({ address }) => address);
  expect(await addresses()).toEqual(['2001::1', '2001::2', '2001::3']);
  expect(await addresses({ limit: 2, sort: 'traffic' })).toEqual(['2001::2', '2001::3']);
  expect(await addresses({ limit: 1, sort: 'heard' })).toEqual(['2001::2']);
  expect(limits).toEqual([1_000, 100_000, 100_000]);
});

test('a refusal has the code, the message and the errors of the daemon', async () => {
  const directory = folder();
  const refusal = {
    ok: false,
    code: 'bad-configuration',
    message: 'errors in the file',
    details: ['line 3'],
  } as const;
  const control = await ControlServer.listen(directory, 'it', () => refusal);
  onTestFinished(() => control!.close());
  await expect(new ControlClient(control!.path).reload()).rejects.toMatchObject({
    name: 'ControlError',
    code: 'bad-configuration',
    message: 'errors in the file',
    details: ['line 3'],
  });
});

test('where no daemon listens', async () => {
  await expect(new ControlClient(join(folder(), 'it.sock')).status()).rejects.toMatchObject({
    code: 'no-daemon',
  });
});

test.for<[string, unknown]>([
  ['no object', 'running'],
  ['null', null],
  ['a field less', { ...STATUS, pid: undefined }],
  ['another type', { ...STATUS, counters: { droppedDenied: 'many' } }],
  ['a list for an object', { ...STATUS, access: [] }],
  ['another role', { ...STATUS, role: 'anycast' }],
  ['another version', { ...STATUS, version: 2 }],
  ['null for a field that may be absent', { ...STATUS, secondary: null }],
])('an answer that is no status is not understood: %s', async ([, answer]) => {
  const client = await daemon(() => answer);
  await expect(client.status()).rejects.toMatchObject({ code: 'not-understood' });
});

test.for<[string, (socket: Socket) => void, string]>([
  ['nothing', () => {}, 'timed-out'],
  ['its end', (socket) => socket.destroy(), 'no-answer'],
  ['garbage', (socket) => socket.end('220 ready\r\n'), 'not-understood'],
  ['nested lists', (socket) => socket.end(`{"ok":true,"result":${'['.repeat(100_000)}`), 'not-understood'],
  [
    'a refusal of wrong types',
    (socket) => socket.end('{"ok":false,"code":[],"message":"no"}\n'),
    'not-understood',
  ],
  ['octets without end', endless, 'not-understood'],
  ['an octet now and then', trickle, 'timed-out'],
])('a foreign socket that gives %s does no harm', async ([, onConnection, code]) => {
  const path = await foreign(onConnection);
  const client = new ControlClient(path, { timeoutMs: code === 'timed-out' ? 300 : 10_000 });
  await expect(client.status()).rejects.toMatchObject({ name: 'ControlError', code });
});

function endless(socket: Socket): void {
  const write = (): void => {
    while (!socket.destroyed && socket.write('['.repeat(1 << 16)));
  };
  socket.on('drain', write);
  write();
}

function trickle(socket: Socket): void {
  const timer = setInterval(() => socket.write('['), 20);
  socket.on('close', () => clearInterval(timer));
}

test('all daemons that can be reached are found, and others hide none', async () => {
  const directory = folder();
  vi.stubEnv('TEREDO_RUNTIME_DIR', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  const own = `own-${process.pid}`;
  await daemon(() => STATUS, { name: own, directory });
  await daemon(() => STATUS, { name: `${own}-2`, directory });
  await foreign((socket) => socket.end('garbage'), { name: `${own}-3`, directory });
  const names = (await ControlClient.find()).map(({ name }) => name).filter((name) => name.startsWith(own));
  expect(names).toEqual([own, `${own}-2`]);
  expect((await ControlClient.find(own)).map(({ path }) => path)).toEqual([join(directory, `${own}.sock`)]);
  expect(await ControlClient.find(`${own}-none`)).toEqual([]);
  await expect(ControlClient.find(`${own}-3`)).rejects.toMatchObject({ code: 'not-understood' });
});
