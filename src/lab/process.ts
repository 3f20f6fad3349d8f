import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** Runs a command until it ends; returns its output. Throws an error with its output if it fails. */
export function execute(command: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    ...(input === undefined ? {} : { input }),
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed (${status}): ${stderr.trim() || stdout.trim()}`);
  return stdout;
}

/** A condition that comes late is no fault while other programs use the machine. */
const PATIENCE_MS = 30_000;

/** Time for a program to end after SIGTERM. */
const END_MS = 10_000;

/** Time after a program's end in which its output is still read. */
const DRAIN_MS = 1_000;

/** A child process with its output so far. */
export class Running {
  readonly child: ChildProcess;
  /** stdout and stderr together, in order of arrival. */
  output = '';
  stdout = '';
  /** Resolves with the exit status; 128 + signal if a signal ended it. */
  readonly exited: Promise<number>;
  private readonly listeners = new Set<() => void>();

  constructor(command: string, args: readonly string[], env?: NodeJS.ProcessEnv) {
    this.child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.add(text);
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => this.add(text));
    this.exited = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.add(error.message);
        resolve(127);
      });
      this.child.on('exit', () => {
        // Child processes of the program may keep its output open: wait for them only this long.
        const draining = setTimeout(() => {
          this.child.stdout!.destroy();
          this.child.stderr!.destroy();
        }, DRAIN_MS);
        this.child.on('close', () => clearTimeout(draining));
      });
      this.child.on('close', (code, signal) => {
        resolve(code ?? 128 + (SIGNALS[signal ?? ''] ?? 0));
        for (const listener of this.listeners) listener();
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Resolves when the output matches. Rejects, with the output, after `timeoutMs` or when the program has ended. */
  waitFor(pattern: RegExp, timeoutMs = PATIENCE_MS): Promise<RegExpMatchArray> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.listeners.delete(look);
      };
      const look = (): void => {
        const match = pattern.exec(this.output);
        if (match !== null) {
          done();
          resolve(match);
        } else if (!this.running) {
          done();
          reject(new Error(`ended without ${pattern} in its output:\n${this.output}`));
        }
      };
      const giveUp = (): void => {
        if (!this.listeners.has(look)) return;
        done();
        reject(new Error(`no ${pattern} within ${timeoutMs} ms in:\n${this.output}`));
      };
      // Commands of a lab block this process: read the output that arrived meanwhile before giving up.
      const timer = setTimeout(() => setImmediate(giveUp), timeoutMs);
      this.listeners.add(look);
      look();
    });
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.running) this.child.kill(signal);
  }

  /** Sends SIGTERM, and SIGKILL if the program does not end. Resolves with the exit status. */
  async stop(): Promise<number> {
    this.kill();
    const timer = setTimeout(() => this.kill('SIGKILL'), END_MS);
    const status = await this.exited;
    clearTimeout(timer);
    return status;
  }

  private add(text: string): void {
    this.output += text;
    for (const listener of this.listeners) listener();
  }
}

/** Calls `look` repeatedly until it returns neither undefined nor false; rejects after `timeoutMs`. `goal`: for the error message. */
export async function until<T>(
  goal: string,
  look: () => T | undefined | Promise<T | undefined>,
  timeoutMs = PATIENCE_MS,
  everyMs = 50,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() >= deadline) throw new Error(`not within ${timeoutMs} ms: ${goal}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
