import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import type { Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ask } from './control-client.ts';
import { ControlServer } from './control-server.ts';

/** The kernel refuses so many connections, as with an access control list that keeps this user out (root is never kept out). */
const kernel = vi.hoisted(() => ({ refuses: 0, asked: 0 }));
vi.mock('node:net', async (original) => {
  const net = await original<{ connect: typeof connect; Socket: typeof Socket }>();
  return {
    ...net,
    connect: (path: string): Socket => {
      kernel.asked++;
      if (kernel.refuses-- <= 0) return net.connect(path);
      const socket = new net.Socket();
      return socket.destroy(Object.assign(new Error('connect EACCES'), { code: 'EACCES' }));
    },
  };
});

async function daemon(): Promise<ControlServer> {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-ask-'));
  const control = await ControlServer.listen(directory, 'it', () => ({ ok: true, result: 'here' }));
  onTestFinished(() => {
    control!.close();
    rmSync(directory, { recursive: true, force: true });
  });
  kernel.asked = 0;
  return control!;
}

test('a user that the daemon keeps out for a while is answered after it', async () => {
  const { path } = await daemon();
  kernel.refuses = 3;
  expect(await ask(path, { command: 'status' })).toEqual({ ok: true, result: 'here' });
  expect(kernel.asked).toBe(4);
});

test('a user that is kept out longer asks too often', async () => {
  const { path } = await daemon();
  kernel.refuses = Infinity;
  onTestFinished(() => void (kernel.refuses = 0));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const refusal = ask(path, { command: 'status' }).catch((error: unknown) => error);
  for (let ms = 0; ms < 3_000; ms += 100) {
    await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(await refusal).toMatchObject({
    name: 'ControlError',
    code: 'no-answer',
    message: expect.stringMatching(/is asked too often: try again/),
  });
  expect(kernel.asked).toBeGreaterThan(10);
});

test('a socket that is not open to all says so at once', async () => {
  const { path } = await daemon();
  chmodSync(path, 0o600);
  kernel.refuses = Infinity;
  onTestFinished(() => void (kernel.refuses = 0));
  await expect(ask(path, { command: 'status' })).rejects.toMatchObject({ code: 'not-permitted' });
  expect(kernel.asked).toBe(1);
});
