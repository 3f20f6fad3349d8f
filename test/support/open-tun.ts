import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { execute } from '../../src/lab/index.ts';

/**
 * Arguments for `unshare`: runs the command where every user may open /dev/net/tun, as on Debian with udev. Elsewhere only root may. The
 * machine's own device stays as it is.
 */
export function withOpenTun(...command: string[]): string[] {
  return withTun('666', ...command);
}

/** The same with another mode of /dev/net/tun. */
export function withTun(mode: string, ...command: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-tun-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const device = join(folder, 'tun');
  execute('mknod', ['-m', mode, device, 'c', '10', '200']);
  return ['--mount', 'sh', '-c', 'mount --bind "$0" /dev/net/tun && exec "$@"', device, ...command];
}
