import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from './control-client.ts';
import { controlNames } from './control-path.ts';
import { ControlServer } from './control-server.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'teredo-control-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function daemon(): Promise<ControlServer> {
  const control = await ControlServer.listen(folder(), 'it', () => ({ ok: true, result: 'here' }));
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

test('whoever keeps connections open hides no daemon: the oldest of them give way', async () => {
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

test('where anybody may make folders, one that others may write into is not used', async () => {
  const path = folder();
  chmodSync(path, 0o1777);
  const squatted = join(path, 'teredo-1000');
  mkdirSync(squatted);
  chmodSync(squatted, 0o777);
  const listen = ControlServer.listen(squatted, 'it', () => ({ ok: true, result: '' }));
  await expect(listen).rejects.toThrow(/set XDG_RUNTIME_DIR/);
  expect(controlNames(squatted)).toEqual([]);
  chmodSync(squatted, 0o755);
  const control = await ControlServer.listen(squatted, 'it', () => ({ ok: true, result: '' }));
  expect(controlNames(squatted)).toEqual(['it']);
  control!.close();
});
