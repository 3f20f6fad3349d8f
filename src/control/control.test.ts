import { once } from 'node:events';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { threadTimeMs } from '../io/thread-time.ts';
import { Admission } from './admission.ts';
import { ask } from './control-client.ts';
import { controlDirectory, controlSockets, searchDirectories, whyElsewhere } from './control-path.ts';
import { parseRequest } from './control-protocol.ts';
import { ControlServer } from './control-server.ts';
import type { ControlHandler } from './control-server.ts';

/** A file system that has become read-only. */
const removal = vi.hoisted(() => ({ fails: false }));
vi.mock('node:fs', async (original) => {
  const fs = await original<{ rmSync: typeof rmSync }>();
  const remove: typeof rmSync = (path, options) => {
    if (removal.fails) throw new Error('EROFS: read-only file system');
    fs.rmSync(path, options);
  };
  return { ...fs, rmSync: remove };
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'teredo-control-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function daemon(
  handler: ControlHandler = () => ({ ok: true, result: 'here' }),
  directory = folder(),
  log?: (line: string) => void,
): Promise<ControlServer> {
  const control = await ControlServer.listen(directory, 'it', handler, log);
  onTestFinished(() => control!.close());
  return control!;
}

async function idle(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('a user that keeps connections open hides no daemon: the oldest of them give way', async () => {
  const { path } = await daemon();
  const [first] = await Promise.all(Array.from({ length: 40 }, () => idle(path)));
  for (let i = 0; i < 10; i++)
    expect(await ask(path, { command: 'status' })).toEqual({ ok: true, result: 'here' });
  if (!first!.closed) await once(first!, 'close');
});

test('a living daemon keeps its name', async () => {
  const { path } = await daemon();
  expect(await ControlServer.listen(join(path, '..'), 'it', () => ({ ok: true, result: '' }))).toBe(
    undefined,
  );
});

test('where every user may make folders, one that others may write into is not used', async () => {
  const path = folder();
  chmodSync(path, 0o1777);
  const squatted = join(path, 'teredo-1000');
  mkdirSync(squatted);
  chmodSync(squatted, 0o777);
  const listen = (): Promise<unknown> =>
    ControlServer.listen(squatted, 'it', () => ({ ok: true, result: '' }));
  onTestFinished(() => void vi.unstubAllEnvs());
  onTestFinished(() => void vi.restoreAllMocks());
  vi.stubEnv('TEREDO_RUNTIME_DIR', undefined);
  const user = vi.spyOn(process, 'getuid').mockReturnValue(process.getuid!() || 1000);
  await expect(listen()).rejects.toThrow(/other accounts may write into .*: set XDG_RUNTIME_DIR$/);
  vi.stubEnv('TEREDO_RUNTIME_DIR', squatted);
  await expect(listen()).rejects.toThrow(/other accounts may write into [^:]*$/);
  vi.stubEnv('TEREDO_RUNTIME_DIR', undefined);
  user.mockReturnValue(0);
  if (lstatSync(path).uid === 0)
    await expect(listen()).rejects.toThrow(/other accounts may write into [^:]*$/);
  user.mockRestore();
  expect(controlSockets(squatted)).toEqual({ names: [], fault: 'foreign' });
  chmodSync(squatted, 0o755);
  const control = await ControlServer.listen(squatted, 'it', () => ({ ok: true, result: '' }));
  expect(controlSockets(squatted)).toEqual({ names: ['it'] });
  const odd = createServer().listen(join(squatted, 'a\u001b[2Jb.sock'));
  onTestFinished(() => void odd.close());
  await once(odd, 'listening');
  expect(controlSockets(squatted)).toEqual({ names: ['it'] });
  control!.close();
});

test('a connection without a question does not keep a daemon from ending', async () => {
  const control = await daemon();
  const socket = await idle(control.path);
  await until(() => control.connectionCount === 1);
  control.close();
  if (!socket.closed) await once(socket, 'close');
  await until(() => control.connectionCount === 0);
});

test('a question that comes one letter at a time has 10 s', async () => {
  const control = await daemon();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const socket = await idle(control.path);
  await until(() => control.connectionCount === 1);
  for (let second = 0; second < 10; second += 2) {
    expect(control.connectionCount).toBe(1);
    socket.write('{');
    vi.advanceTimersByTime(2_000);
  }
  await until(() => socket.closed);
});

test('a handler that fails is reported to the asker and in the log; the daemon keeps running', async () => {
  const lines: string[] = [];
  const { path } = await daemon(
    () => {
      throw new Error('no such thing');
    },
    folder(),
    (line) => lines.push(line),
  );
  const failed = { ok: false, code: 'internal', message: 'the daemon failed to answer: no such thing' };
  expect(await ask(path, { command: 'status' })).toEqual(failed);
  expect(await ask(path, { command: 'status' })).toEqual(failed);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toBe('control socket: cannot answer "status": no such thing');
});

test('a long answer is made in pieces, between which the daemon works', async () => {
  const items = Array.from({ length: 8_000 }, (_, i) => ({ address: `2001::${i}`, trusted: true }));
  let [turns, firstTurn] = [0, Infinity];
  const timer = setInterval(() => turns++, 0);
  onTestFinished(() => clearInterval(timer));
  const { path } = await daemon(() => ({
    ok: true,
    result: { version: 1 },
    list: 'peers',
    items: slowly(items, () => (firstTurn = Math.min(firstTurn, turns))),
  }));
  const answer = await ask(path, { command: 'peers' });
  expect(answer).toEqual({ ok: true, result: { version: 1, peers: items } });
  expect(turns - firstTurn).toBeGreaterThan(20);
});

/** Each takes as long to make as one does that is to be found and put into words. */
function* slowly<T>(items: readonly T[], onItem: () => void): Generator<T> {
  for (const item of items) {
    onItem();
    const begun = performance.now();
    while (performance.now() - begun < 0.02);
    yield item;
  }
}

test('one question a connection: a second one is not answered', async () => {
  let asked = 0;
  const { path } = await daemon(() => ({ ok: true, result: ++asked }));
  const socket = await idle(path);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.end('{"command":"status"}\n'.repeat(50));
  await once(socket, 'close');
  expect([text, asked]).toEqual(['{"ok":true,"result":1}\n', 1]);
});

test('a question whose connection has closed waits no longer', async () => {
  const control = await daemon(() => {
    const begun = threadTimeMs();
    while (threadTimeMs() - begun < 100);
    return { ok: true, result: 'here' };
  });
  await ask(control.path, { command: 'status' }); // 400 ms of rest follow
  let closed = 0;
  for (let i = 0; i < 200; i++) {
    const socket = await idle(control.path);
    socket.on('close', () => closed++).resume();
    socket.write('{"command":"peers"}\n');
  }
  await until(() => closed >= 200 - 32);
  expect(control.waitingCount).toBeLessThanOrEqual(32);
});

test('of peers no more are given than can be, and not less than none', () => {
  const limitOf = (limit: unknown): unknown => parseRequest(JSON.stringify({ command: 'peers', limit }));
  expect(limitOf(7)).toEqual({ command: 'peers', limit: 7 });
  expect(limitOf(1e9)).toEqual({ command: 'peers', limit: 100_000 });
  expect(limitOf(0)).toEqual({ command: 'peers', limit: 0 });
  for (const wrong of [-1, 1.5, '7', null]) expect(limitOf(wrong)).toBe(undefined);
  expect(limitOf(undefined)).toEqual({ command: 'peers' });
});

test('a daemon too busy to take a connection is alive: its socket stays', async () => {
  const path = join(folder(), 'it.sock');
  const script = `require('net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => {
    process.stdout.write('up', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  })`;
  const child = spawn(process.execPath, ['-e', script]);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const errors: unknown[] = [];
  for (let i = 0; i < 8; i++) {
    const socket = connect(path).on('error', (error: NodeJS.ErrnoException) => errors.push(error.code));
    onTestFinished(() => void socket.destroy());
  }
  await until(() => errors.includes('EAGAIN'));
  const listen = ControlServer.listen(join(path, '..'), 'it', () => ({ ok: true, result: '' }));
  expect(await listen).toBe(undefined);
  expect(existsSync(path)).toBe(true);
});

test('a folder that the last other daemon removes at this moment is made again', async () => {
  const directory = folder();
  const listening = daemon(undefined, directory);
  rmSync(directory, { recursive: true });
  const { path } = await listening;
  expect(await ask(path, { command: 'status' })).toEqual({ ok: true, result: 'here' });
});

test('a folder that a user made and chose stays; others go with the last daemon', async () => {
  const chosen = folder();
  vi.stubEnv('TEREDO_RUNTIME_DIR', chosen);
  onTestFinished(() => void vi.unstubAllEnvs());
  const at = async (directory: string): Promise<boolean> => {
    (await daemon(undefined, directory)).close();
    return existsSync(directory);
  };
  expect(await at(chosen)).toBe(true);
  expect(await at(folder())).toBe(false);
  vi.stubEnv('TEREDO_RUNTIME_DIR', join(chosen, 'new'));
  expect(await at(join(chosen, 'new'))).toBe(false);
});

test('the socket is for all users, whatever the umask is; a file or link in its place is not followed and not removed', async () => {
  const before = process.umask(0o077);
  onTestFinished(() => void process.umask(before));
  const { path } = await daemon();
  expect(statSync(path).mode & 0o777).toBe(0o666);
  expect(process.umask()).toBe(0o077);
  const other = folder();
  const target = join(other, 'target');
  writeFileSync(target, 'as it was', { mode: 0o600 });
  symlinkSync(target, join(other, 'it.sock'));
  await expect(ControlServer.listen(other, 'it', () => ({ ok: true, result: '' }))).rejects.toThrow(
    /it\.sock is in the way: it is no socket/,
  );
  expect([statSync(target).mode & 0o777, readdirSync(other)]).toEqual([0o600, ['it.sock', 'target']]);
});

test('at its end a daemon leaves a file alone that stands in place of its socket', async () => {
  const control = await daemon();
  rmSync(control.path);
  writeFileSync(control.path, 'of another program');
  control.close();
  expect(existsSync(control.path)).toBe(true);
});

test('a control socket whose file cannot be looked at or removed is closed nevertheless', async () => {
  const lines: string[] = [];
  const above = folder();
  const directory = join(above, 'sockets');
  const first = await daemon(undefined, directory, (line) => lines.push(line));
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'no folder any more'); // lstat: ENOTDIR
  first.close();
  expect(lines).toEqual([]);
  rmSync(directory);
  const second = await daemon(undefined, directory, (line) => lines.push(line));
  removal.fails = true;
  onTestFinished(() => void (removal.fails = false));
  second.close();
  expect(lines).toEqual(['warning: cannot remove the control socket: EROFS: read-only file system']);
});

test('a user that is kept out is a line of the log, once a minute', async () => {
  const lines: string[] = [];
  const { path } = await daemon(undefined, folder(), (line) => lines.push(line));
  const keptOut = (): string[] => lines.filter((line) => line.includes('kept out'));
  vi.spyOn(Admission.prototype, 'admits').mockReturnValue(false);
  onTestFinished(() => void vi.restoreAllMocks());
  await Promise.all(Array.from({ length: 120 }, () => ask(path, { command: 'status' }).catch(() => {})));
  await until(() => keptOut().length > 0);
  const uid = process.getuid?.();
  expect(keptOut()).toEqual([
    `warning: the local user ${uid} asks too often: it is kept out for 2 s at a time`,
  ]);
});

test(
  'a daemon of root does not work in a folder of another account',
  { skip: process.getuid?.() !== 0 },
  async () => {
    const theirs = folder();
    chownSync(theirs, 65534, 65534);
    vi.stubEnv('TEREDO_RUNTIME_DIR', theirs);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(controlDirectory()).toBe('/run/teredo-root');
    expect(whyElsewhere()).toBe(`${theirs} belongs to another account (uid 65534)`);
    // Daemons of that account are found nevertheless.
    expect(searchDirectories()).toEqual([theirs, '/run/teredo-root', '/run/teredo']);
    const listen = ControlServer.listen(theirs, 'it', () => ({ ok: true, result: '' }));
    await expect(listen).rejects.toThrow(/belongs to another account/);
  },
);

test('of a list no more is made than is taken: an asker that does not read keeps little in memory', async () => {
  let made = 0;
  const { path } = await daemon(() => ({
    ok: true,
    result: {},
    list: 'peers',
    items: (function* () {
      for (let i = 0; i < 100_000; i++) yield { i: made++, text: 'x'.repeat(200) };
    })(),
  }));
  const socket = await idle(path);
  socket.pause();
  socket.write('{"command":"peers"}\n');
  await until(() => made > 0);
  let last = 0;
  for (let quietTurns = 0; quietTurns < 1_000; quietTurns++) {
    if (made > last) quietTurns = 0;
    last = made;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(made).toBeLessThan(10_000); // the contents of the buffers of two sockets, and one piece
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
