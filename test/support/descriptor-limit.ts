import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

/** The usual soft limit. */
const MANY = 1_024;

/** Takes this process all descriptors that it has not opened yet, and gives them back. A child does it: this process could start none then. */
export class DescriptorLimit {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: ReturnType<typeof createInterface>;

  /** The descriptors are back at the end of the test. */
  constructor() {
    const set = `while read n command; do prlimit --pid ${process.pid} --nofile=$n: && eval "$command" && echo done; done`;
    this.child = spawn('sh', ['-c', set]);
    this.lines = createInterface(this.child.stdout);
    onTestFinished(async () => {
      await this.end();
      this.child.stdin.end();
      await once(this.child, 'exit');
    });
  }

  /** From now on no descriptor can be opened. Then the command is run, in the network namespace in which this was made. */
  async begin(command = ':'): Promise<void> {
    await this.set(3, command);
  }

  async end(): Promise<void> {
    await this.set(MANY, ':');
  }

  private async set(most: number, command: string): Promise<void> {
    const done = once(this.lines, 'line');
    this.child.stdin.write(`${most} ${command}\n`);
    await done;
  }
}
