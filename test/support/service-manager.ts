import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { DATA_PATH, PROGRAM, nameOf, pathOptionsOf } from './roles.ts';
import { stopwatch } from './stopwatch.ts';

const SCRIPT = fileURLToPath(new URL('service-manager.py', import.meta.url));
const UNIT = readFileSync(new URL('../../packaging/systemd/teredo@.service', import.meta.url), 'utf8');

export interface ManagerOptions {
  /** FileDescriptorStoreMax= */
  readonly store: number;
  /** WatchdogSec=; 0: none. */
  readonly watchdog: number;
  /** RestartSec=: after a role that was killed, or has failed */
  readonly pause: number;
}

/** Seconds, as in the unit. */
const PAUSE = Number(/^RestartSec=(\d+)ms$/m.exec(UNIT)![1]) / 1_000;
const USUAL: ManagerOptions = { store: 64, watchdog: 0, pause: PAUSE };

/** The role waits for no other program: what comes during a restart of many seconds is more than sockets hold. See setpriority(2). */
const PREFERRED = -10;

/** A role under a program that plays systemd's part: it keeps descriptors, passes them on and starts the role again. */
export class ManagedRole {
  private readonly manager: Running;
  private starts = 0;
  private readyAt = 0;

  private constructor(manager: Running) {
    this.manager = manager;
  }

  /** Resolves once the role says that it is ready. `next`: its other arguments from the second start on. */
  static async start(
    host: Namespace,
    role: string,
    args: readonly string[],
    next?: readonly string[],
    { store, watchdog, pause } = USUAL,
  ): Promise<ManagedRole> {
    const common = [
      PROGRAM,
      role,
      '--name',
      nameOf(host, role),
      '--data-path',
      DATA_PATH,
      ...pathOptionsOf(role, args),
    ];
    const later = next === undefined ? [] : ['--next', ...common, ...next];
    const command = [process.execPath, ...common, ...args, ...later];
    const manager = [store, watchdog, pause].map(String);
    const running = host.spawn('python3', [SCRIPT, ...manager, ...command]);
    setPriority(running.pid, PREFERRED);
    const managed = new ManagedRole(running);
    await managed.ready();
    return managed;
  }

  /** Of the manager and the role. */
  get output(): string {
    return this.manager.output;
  }

  /** The running process of the role. */
  get pid(): number {
    return Number([...this.manager.output.matchAll(/started (\d+)/g)].at(-1)![1]);
  }

  /** As `systemctl restart`; resolves when the next process is ready. */
  async restart(): Promise<void> {
    this.manager.kill('SIGHUP');
    await this.ready();
  }

  /** Kills the process of the role; resolves when the next one is ready. */
  async kill(): Promise<void> {
    process.kill(this.pid, 'SIGKILL');
    await this.ready();
  }

  /** Whether the process has been ready for this long. */
  hasRunFor(milliseconds: number): boolean {
    return performance.now() - this.readyAt >= milliseconds;
  }

  /** The time since the call, ms, without that for which manager and role waited for a processor. */
  stopwatch(): () => number {
    return stopwatch(() => [this.manager.pid, this.pid]);
  }

  stop(): Promise<number> {
    return this.manager.stop();
  }

  private async ready(): Promise<void> {
    await this.manager.waitFor(new RegExp(`(READY=1[^]*){${++this.starts}}`));
    this.readyAt = performance.now();
  }
}
