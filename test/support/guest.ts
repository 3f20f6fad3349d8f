import { chownSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { SERVER_ADDRESS, execute } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { withOpenTun } from './open-tun.ts';
import { PROGRAM } from './roles.ts';

/** An ordinary user. */
export interface User {
  readonly id: number;
  readonly folder: string;
}

/** Each has a number of its own: tests in other processes look for all processes of theirs. */
export function makeUser(id = nextUser()): User {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-user-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  chownSync(folder, id, id);
  return { id, folder };
}

let users = 0;

function nextUser(): number {
  return 1_000_000 + 64 * process.pid + users++;
}

/** `teredo COMMAND` as an ordinary user without any rights, on a host where every user may open /dev/net/tun. */
export function asUser(host: Namespace, user: User, ...words: readonly string[]): Running {
  return host.spawn('unshare', withOpenTun(...withRightsOf(user, process.execPath, PROGRAM, ...words)), {
    TEREDO_RUNTIME_DIR: user.folder,
  });
}

/** The words that run a program as an ordinary user without any rights. */
export function withRightsOf(user: User, ...words: readonly string[]): string[] {
  const rights = ['--reuid', String(user.id), '--regid', String(user.id), '--clear-groups'];
  return ['setpriv', ...rights, '--', ...words];
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

/** A process in namespaces of its own, like that of a container. */
export interface Container {
  readonly pid: number;
  /** Runs a program inside as root of the container; returns its output. */
  run(...words: readonly string[]): string;
  end(): void;
}

/** A container of an ordinary user. */
export function containerOf(host: Namespace, user: User): Promise<Container> {
  return startContainer(host, ['--user'], withRightsOf(user, 'unshare', '-U', '-r', '-n'));
}

/** A container of an ordinary user that has its own number inside, as with `podman --userns keep-id`. Root inside is another user. */
export async function keptIdContainer(host: Namespace, user: User): Promise<Container> {
  const made = withRightsOf(user, 'unshare', '-U', '-n', 'sh', '-c', 'echo "made $$"; exec sleep 1000');
  const running = host.spawn('env', made);
  const pid = Number((await running.waitFor(/made (\d+)/))[1]);
  for (const map of ['uid_map', 'gid_map'])
    writeFileSync(`/proc/${pid}/${map}`, `0 ${nextUser()} 1\n${user.id} ${user.id} 1\n`);
  return containerAt(pid, ['--user', '--preserve-credentials', '--setuid', '0']);
}

/** A container of root, without a user namespace. */
export function rootfulContainer(host: Namespace): Promise<Container> {
  return startContainer(host, [], ['unshare', '-n']);
}

/** `made`: the words that make it; `entered`: options of `nsenter` for the namespaces besides that of the network. */
async function startContainer(
  host: Namespace,
  entered: readonly string[],
  made: readonly string[],
): Promise<Container> {
  const running = host.spawn('env', [...made, 'sh', '-c', 'echo "pid $$"; exec sleep 1000']);
  return containerAt(Number((await running.waitFor(/pid (\d+)/))[1]), entered);
}

function containerAt(pid: number, entered: readonly string[]): Container {
  return {
    pid,
    run: (...words) => execute('nsenter', ['--target', String(pid), ...entered, '--net', '--', ...words]),
    end: () => process.kill(pid, 'SIGKILL'),
  };
}
