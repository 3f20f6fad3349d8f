import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import type { User } from './guest.ts';
import { withOpenTun } from './open-tun.ts';
import { PROGRAM } from './roles.ts';

export const PROXY = '127.0.0.1:1080';

/** `teredo COMMAND` with the server of the lab, as an ordinary user on a host with these lines in /etc/hosts. */
export function serviceOf(
  host: Namespace,
  user: User,
  words: readonly [string, ...string[]],
  hosts: readonly string[] = [],
): Running {
  const file = join(user.folder, 'hosts');
  writeFileSync(file, ['127.0.0.1 localhost', ...hosts, ''].join('\n'));
  chmodSync(file, 0o644);
  const [command, ...rest] = words;
  const program = [process.execPath, PROGRAM, command, '--server', SERVER_ADDRESS, ...rest];
  const mount = ['--mount', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec unshare "$@"', file];
  return host.spawn('unshare', [...mount, ...withOpenTun('setpriv', ...rightsOf(user), ...program)], {
    TEREDO_RUNTIME_DIR: user.folder,
  });
}

/** A program of an ordinary user. */
export function programOf(host: Namespace, user: User, ...words: readonly string[]): Running {
  return host.spawn('setpriv', [...rightsOf(user), ...words]);
}

function rightsOf({ id }: User): string[] {
  return ['--reuid', String(id), '--regid', String(id), '--clear-groups', '--'];
}
