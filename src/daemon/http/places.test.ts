/** Connections to a daemon: which of them take no place of others. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { get, httpDaemon } from '../../../test/support/http-rig.ts';
import { Running, until } from '../../lab/index.ts';

const PLACES = 32;
const MORE = 40;
const TOKEN = '0123456789abcdef0123456789abcdef';
const CROWD = fileURLToPath(new URL('../../../test/attack/attacker/crowd.py', import.meta.url));
const ATTACK = fileURLToPath(new URL('../../../test/attack/attacker/http.py', import.meta.url));
const OTHER_USER = 59_000;
const FIRST_OF_CROWD = 60_000;

/** In a thread: asks with the token, and then makes connections that ask nothing. Sends the answer, or nothing if there is none. */
const ASKER = `
  const { once } = require('node:events');
  const { connect } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  const { port, MORE, TOKEN, hasConnected } = workerData;
  const request = 'GET /api/v1/status HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: Bearer ' + TOKEN + '\\r\\nConnection: close\\r\\n\\r\\n';
  (async () => {
    const asker = connect(port, '127.0.0.1');
    let answer = '';
    asker.on('error', () => {}).on('data', (text) => (answer += text)).on('close', () => parentPort.postMessage(answer));
    await new Promise((sent) => asker.write(request, sent));
    for (let i = 0; i < MORE; i++) await once(connect(port, '127.0.0.1').on('error', () => {}), 'connect');
    Atomics.store(hasConnected, 0, 1);
    Atomics.notify(hasConnected, 0);
  })();
`;

/** Keeps connections open, and asks nothing. */
async function hold(where: { readonly port: number } | { readonly path: string }): Promise<void> {
  for (let i = 0; i < MORE; i++) {
    const socket = connect({ ...where, host: '127.0.0.1' });
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
  }
}

test('connections over TCP and those to the control socket take no place of each other', async () => {
  const { port, path, control } = await httpDaemon();
  await hold({ path });
  await until(
    'all places of the control socket are taken',
    () => control.connectionCount === PLACES || undefined,
  );
  await hold({ port });
  await until('those of TCP, too', () => control.connectionCount === 2 * PLACES || undefined);
  await hold({ path });
  expect((await get('/livez', { port })).status).toBe(200);
  await until('all are taken', () => control.connectionCount >= 2 * PLACES - 1 || undefined);
});

test('a question with the token that waits to be read keeps its connection when others take all places', async () => {
  const { port } = await httpDaemon({}, TOKEN);
  await get('/livez', { port, headers: { Authorization: `Bearer ${TOKEN}` } });
  const hasConnected = new Int32Array(new SharedArrayBuffer(4));
  const asker = new Worker(ASKER, { eval: true, workerData: { port, MORE, TOKEN, hasConnected } });
  onTestFinished(async () => void (await asker.terminate()));
  const answered = once(asker, 'message') as Promise<[string]>;
  // The daemon, in this thread, sees all of them at once.
  expect(Atomics.wait(hasConnected, 0, 0, 10_000)).not.toBe('timed-out');
  expect((await answered)[0]).toMatch(/^HTTP\/1.1 200 /);
});

describe.skipIf(process.getuid?.() !== 0)('hosts and users without the token', () => {
  async function crowd(port: number, how: string): Promise<void> {
    const running = new Running('python3', [CROWD, String(port), String(FIRST_OF_CROWD), String(MORE), how]);
    onTestFinished(async () => void (await running.stop()));
    await running.waitFor(/ready/);
  }

  function asOther(port: number, mode: string): Running {
    const running = new Running('python3', [
      ATTACK,
      `127.0.0.1:${port}`,
      '5',
      mode,
      String(OTHER_USER),
      TOKEN,
    ]);
    onTestFinished(async () => void (await running.stop()));
    return running;
  }

  test('that hold connections end no stream of a reader with it', async () => {
    const { port, control } = await httpDaemon({}, TOKEN);
    const reader = asOther(port, 'reader');
    await reader.waitFor(/event: status/);
    await crowd(port, 'hold');
    await until('all places are taken', () => control.connectionCount === PLACES + 1 || undefined);
    const before = reader.output.split('event: status').length;
    await until(
      'the stream continues',
      () => reader.output.split('event: status').length > before + 1 || undefined,
    );
  });

  test.each(['renew', 'ask'])(
    'that make ever new connections (%s) keep no asker with it from an answer',
    async (how) => {
      const { port } = await httpDaemon({}, TOKEN);
      await get('/livez', { port, headers: { Authorization: `Bearer ${TOKEN}` } });
      await crowd(port, how);
      const asker = asOther(port, 'honest');
      await asker.exited;
      const times = JSON.parse(asker.output) as number[];
      expect(times).toHaveLength(20);
      expect(Math.min(...times), 'all are answered').toBeGreaterThanOrEqual(0);
      expect(Math.max(...times)).toBeLessThan(1_000);
    },
  );
});
