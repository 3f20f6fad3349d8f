import { chownSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { withOpenTun } from './open-tun.ts';
import { PROGRAM } from './roles.ts';

/** An ordinary user. */
export interface User {
  readonly id: number;
  readonly folder: string;
}

export function makeUser(id = 65_534): User {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-user-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  chownSync(folder, id, id);
  return { id, folder };
}

/** `teredo COMMAND` as an ordinary user without any rights, on a host where every user may open /dev/net/tun. */
export function asUser(host: Namespace, user: User, ...words: readonly string[]): Running {
  const rights = ['--reuid', String(user.id), '--regid', String(user.id), '--clear-groups', '--'];
  return host.spawn('unshare', withOpenTun('setpriv', ...rights, process.execPath, PROGRAM, ...words), {
    TEREDO_RUNTIME_DIR: user.folder,
  });
}

/** `teredo exec` with the server of the lab. */
export function exec(host: Namespace, user: User, ...words: readonly string[]): Running {
  return asUser(host, user, 'exec', '--server', SERVER_ADDRESS, '--', ...words);
}

/** The processes of a user, with their words. */
export function processesOf(user: User): { readonly pid: number; readonly words: readonly string[] }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, 'utf8');
        const isOfUser = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) === user.id;
        if (!isOfUser || /^State:\s+[ZX]/m.test(status)) return [];
        return [{ pid: Number(name), words: readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0') }];
      } catch {
        return []; // it has ended
      }
    });
}
