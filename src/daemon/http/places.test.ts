/** Connections to a daemon: which of them take no place of others. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
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
