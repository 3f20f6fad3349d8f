import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { within } from './deadline.ts';

/** A process that answers in more is stopped, as by Ctrl-Z. */
const ANSWER_MS = 500;
/** It ends with this process, and writes no file when a signal ends it. */
const PROCESS = ['sh', '-c', 'ulimit -c 0; exec setpriv --pdeathsig KILL -- cat'] as const;

/**
 * Tells whether a signal came to the whole process group or to this process alone, which the kernel does not say. A further process of the group answers
 * questions; a signal to the group ends it before it can answer the next one.
 */
export class GroupWitness {
  private child = start();
  private last: Promise<unknown> = Promise.resolve();
  private closed = false;

  /** Whether the group got the signal that has just come. Never rejects. */
  isOfGroup(signal: NodeJS.Signals): Promise<boolean> {
    const answer = this.last.then(() => this.ask(signal));
    this.last = answer;
    return answer;
  }

  close(): void {
    this.closed = true;
    this.child.kill('SIGKILL');
  }

  private async ask(signal: NodeJS.Signals): Promise<boolean> {
    const { child } = this;
    if (this.closed) return false;
    child.stdin!.write('?');
    const outcome = await within(ANSWER_MS, Promise.race([answered(child), endOf(child)]), 'answered');
    if (outcome === 'answered') return false;
    if (!this.closed) this.child = start();
    return outcome === signal;
  }
}

function start(): ChildProcess {
  const [program, ...words] = PROCESS;
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'ignore'] });
  child.on('error', () => {}); // then signals count as sent to this process alone
  child.stdin?.on('error', () => {}); // it has ended
  return child;
}

async function answered(child: ChildProcess): Promise<'answered'> {
  await once(child.stdout!, 'data');
  return 'answered';
}

/** Undefined: no signal has ended it. */
async function endOf(child: ChildProcess): Promise<NodeJS.Signals | undefined> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.signalCode ?? undefined;
}
