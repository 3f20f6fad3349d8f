import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Guest } from './guest.ts';
import { isRoot } from './guest.ts';

/** A program that gives IPv4 has set it up in less. */
const READY_MOST_MS = 3_000;
const LOOK_MS = 10;
const NO_PORTS = ['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'];

/** Programs that give a network namespace IPv4, and their words; the first that is installed and succeeds is used. */
const PROGRAMS: Readonly<Record<string, (path: string, pid: number) => readonly string[]>> = {
  slirp4netns: (path, pid) => [
    ...[path, '--configure', '--mtu=65520', '--disable-host-loopback'],
    ...(isRoot() ? [] : [`--userns-path=/proc/${pid}/ns/user`]),
    ...[String(pid), 'tap0'],
  ],
  pasta: (path, pid) => [
    ...[path, '--config-net', '-4', '--foreground', '--no-map-gw', ...NO_PORTS],
    String(pid),
  ],
};

/** IPv4 for a guest, by a program of the system that ends with this process. */
export class GuestIpv4 {
  /** The name of the program. */
  readonly program: string;
  private readonly child: ChildProcess;

  private constructor(program: string, child: ChildProcess) {
    this.program = program;
    this.child = child;
  }

  /** Resolves to undefined when no such program is installed, or none succeeds. */
  static async start({ pid }: Guest): Promise<GuestIpv4 | undefined> {
    for (const [program, wordsOf] of Object.entries(PROGRAMS)) {
      const path = pathOf(program);
      if (path === undefined) continue;
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...wordsOf(path, pid)], {
        stdio: 'ignore',
      });
      if (await hasDefaultRoute(pid, child)) return new GuestIpv4(program, child);
      child.kill('SIGKILL');
    }
    return undefined;
  }

  close(): void {
    this.child.kill('SIGKILL');
  }
}

/** Waits for the route that the program makes last. */
async function hasDefaultRoute(pid: number, child: ChildProcess): Promise<boolean> {
  let hasEnded = false;
  child.once('error', () => (hasEnded = true));
  child.once('exit', () => (hasEnded = true));
  for (const begun = performance.now(); performance.now() - begun < READY_MOST_MS && !hasEnded;) {
    if (/^\S+\s+00000000\s/m.test(readOr(`/proc/${pid}/net/route`))) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return false;
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // the guest has ended
  }
}

function pathOf(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
