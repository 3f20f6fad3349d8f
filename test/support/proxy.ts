import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import type { User } from './guest.ts';
import { withOpenTun } from './open-tun.ts';
import { PROGRAM } from './roles.ts';

export const PROXY = '127.0.0.1:1080';

/** `teredo COMMAND` with the server of the lab, as an ordinary user on a host with these lines in /etc/hosts, and a name server at 127.0.0.1. */
export function serviceOf(
  host: Namespace,
  user: User,
  words: readonly string[],
  hosts: readonly string[] = [],
): Running {
  const hostsFile = fileOf(user, 'hosts', ['127.0.0.1 localhost', ...hosts]);
  const resolvConf = fileOf(user, 'resolv.conf', ['nameserver 127.0.0.1']);
  const program = [process.execPath, PROGRAM, ...words, '--server', SERVER_ADDRESS];
  const script =
    'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec unshare "$@"';
  const mount = ['--mount', 'sh', '-c', script, hostsFile, resolvConf];
  return host.spawn('unshare', [...mount, ...withOpenTun('setpriv', ...rightsOf(user), ...program)], {
    TEREDO_RUNTIME_DIR: user.folder,
  });
}

function fileOf(user: User, name: string, lines: readonly string[]): string {
  const file = join(user.folder, name);
  writeFileSync(file, [...lines, ''].join('\n'));
  chmodSync(file, 0o644);
  return file;
}

/** `teredo proxy` in the lab, whose Internet has addresses for documentation: it is a closed network. */
export function proxyOf(
  host: Namespace,
  user: User,
  words: readonly string[] = [],
  hosts: readonly string[] = [],
): Running {
  return serviceOf(host, user, ['proxy', '--allow-private', ...words], hosts);
}

/** A program of an ordinary user. */
export function programOf(host: Namespace, user: User, ...words: readonly string[]): Running {
  return host.spawn('setpriv', [...rightsOf(user), ...words]);
}

function rightsOf({ id }: User): string[] {
  return ['--reuid', String(id), '--regid', String(id), '--clear-groups', '--'];
}
