import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace, Running } from '../../src/lab/index.ts';

/** miredo 1.2.6 in the roles of a lab. Its paths must be absolute, and its state folder must exist. */
export function startMiredoServer(host: Namespace, address: string, secondary: string): Running {
  const config = `ServerBindAddress ${address}\nServerBindAddress2 ${secondary}\n`;
  return start(host, 'miredo-server', config);
}

export function startMiredoRelay(host: Namespace, address: string): Running {
  return start(
    host,
    'miredo',
    `InterfaceName teredo\nRelayType relay\nBindAddress ${address}\nBindPort 3545\n`,
  );
}

export function startMiredoClient(host: Namespace, server: string): Running {
  return start(host, 'miredo', `InterfaceName teredo\nServerAddress ${server}\n`);
}

function start(host: Namespace, program: string, config: string): Running {
  mkdirSync('/run/miredo', { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'miredo-'));
  const file = join(folder, 'miredo.conf');
  writeFileSync(file, config);
  chmodSync(folder, 0o755); // it reads its configuration as its own user
  const running = host.spawn(program, ['-f', '-c', file, '-p', join(folder, 'pid')]);
  void running.exited.then(() => rmSync(folder, { recursive: true, force: true }));
  return running;
}
