/** Threads that end badly, with sockets of a port that they share with the first one. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { kernelWorkers } from './kernel-workers.ts';
import type { WorkerKind } from './worker-ports.ts';

const LOOPBACK = 0x7f000001;
const MODULES = join(import.meta.dirname, '../../runtime/workers');

/** A module of a thread, beside those of the program as far as its name tells. */
function moduleOf(text: string): WorkerKind {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-thread-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'it.js'), text);
  return relative(MODULES, join(folder, 'it')) as WorkerKind;
}

/** Opens a port for two threads; `others` is the socket of the second. */
function open(port = 0) {
  const { own, others } = kernelWorkers.openSharedUdp({ address: LOOPBACK, port }, 2, 1);
  return { own, port: own.local.port, others };
}

function descriptorCount(): number {
  return readdirSync('/proc/self/fd').length;
}

const WAIT = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);';

test.each([
  ['that throws', 'throw new Error("it")'],
  ['whose module cannot be loaded', undefined],
])('the sockets of a thread %s are closed when it ends', async (_, text) => {
  const { own, port, others } = open();
  const kind = text === undefined ? ('no-such-module' as WorkerKind) : moduleOf(text);
  const thread = kernelWorkers.startThread(kind, {}, others);
  const reason = await new Promise<Error>((resolve) => thread.start(() => {}, resolve));
  expect(reason.message).toMatch(/^it$|Cannot find module/);
  await thread.ended(1_000);
  own.close();
  const again = open(port);
  again.own.close();
  for (const other of again.others) kernelWorkers.discard(other);
});

test('the port of a thread that hangs is free, and its descriptor when it ends', async () => {
  const before = descriptorCount();
  const { own, port, others } = open();
  const thread = kernelWorkers.startThread(moduleOf(WAIT), {}, others);
  thread.start(
    () => {},
    () => {},
  );
  await thread.ended(20);
  own.close();
  const again = open(port);
  again.own.close();
  for (const other of again.others) kernelWorkers.discard(other);
  await eventually(() => expect(descriptorCount()).toBeLessThanOrEqual(before));
});
