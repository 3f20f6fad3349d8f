/** A role continues to run, and ends by a signal, even if programs around it end or fail. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from '../../src/control/control-client.ts';
import type { ControlAnswer } from '../../src/control/control-protocol.ts';
import { eventually } from '../support/eventually.ts';
import { PROGRAM } from '../support/roles.ts';
import { timeToEnd } from '../support/stopwatch.ts';

/** Of this process only, so that others may run the same test. */
const ADDRESS = `127.${100 + (process.pid & 63)}.${(process.pid >> 6) & 255}.1`;

/** A server on an address of the loopback interface; `hear` false: nothing reads its output. */
function start({ hear }: { readonly hear: boolean }) {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-running-'));
  const child = spawn(
    process.execPath,
    [PROGRAM, 'server', '--address', ADDRESS, '--secondary', 'none', '--no-native', '--data-path', 'user'],
    { env: { ...process.env, TEREDO_RUNTIME_DIR: folder }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  if (hear) child.stderr.resume();
  else child.stderr.destroy();
  const path = join(folder, 'server.sock');
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const end = async (): Promise<number | null> => {
    child.kill('SIGTERM');
    const [code] = await ended;
    return code;
  };
  return { child, path, end };
}

/** The daemon's answer, once it is there; that it has ended, if it has. */
async function statusAt({ child, path }: ReturnType<typeof start>): Promise<ControlAnswer> {
  return await eventually(async () => {
    if (child.exitCode !== null)
      return { ok: false, code: 'internal', message: `it has ended: ${child.exitCode}` };
    return await ask(path, { command: 'status' });
  });
}

test('its output may have no reader left: 2>&1 | true', async () => {
  const server = start({ hear: false });
  expect(await statusAt(server)).toMatchObject({ ok: true, result: { role: 'server', state: 'running' } });
  expect(await server.end()).toBe(0);
});

test('it ends at once, though a program is connected to its control socket', async () => {
  const server = start({ hear: true });
  await statusAt(server);
  const socket = connect(server.path).on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  const end = server.end();
  expect(await timeToEnd(server.child.pid!, end)).toBeLessThan(5_000);
  expect(await end).toBe(0);
});
