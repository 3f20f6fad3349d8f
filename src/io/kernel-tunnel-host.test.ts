import { execFileSync } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { KernelTun } from './kernel-tun.ts';
import { KEPT_QUEUE_LENGTH, KernelTunnelHost } from './kernel-tunnel-host.ts';

const asRoot = { skip: process.getuid?.() !== 0 };

test('the queue of an interface is set once: a changed queue loses packets', asRoot, async () => {
  const name = `kq${process.pid % 1_000_000}`;
  const queue = (): number =>
    Number(/qlen (\d+)/.exec(execFileSync('ip', ['link', 'show', name], { encoding: 'utf8' }))![1]);
  const tun = new KernelTun(name);
  onTestFinished(() => tun.close());
  await new KernelTunnelHost(undefined, KEPT_QUEUE_LENGTH).setUpTunnel(name, 1280);
  expect(queue()).toBe(KEPT_QUEUE_LENGTH);
  await new KernelTunnelHost().setUpTunnel(name, 1280);
  expect(queue()).toBe(KEPT_QUEUE_LENGTH);
});
