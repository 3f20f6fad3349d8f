import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { within } from './deadline.ts';

/** A process that answers in more is stopped, as by Ctrl-Z. */
const ANSWER_MS = 500;
const [QUESTION, LONGEST] = ['?', 4_096];
/** Names each signal that it gets, and repeats each line; ends with its input. A signal interrupts `read`, whose status is then above 128. */
const SCRIPT =
  'for s in HUP INT QUIT TERM USR1 USR2 TSTP CONT; do trap "echo SIG$s" $s; done; ' +
  'while :; do if read -r line; then echo "$line"; elif [ $? -lt 128 ]; then exit; fi; done';

/**
 * Tells whether a signal came to the whole process group or to this process alone, which the kernel does not say. A further process of the group says
 * which signals it has got, before it answers the next question.
 */
export class GroupWitness {
  /** Resolves when it sees signals. Never rejects. */
  readonly ready: Promise<unknown>;
  private child = this.start();
  private last: Promise<unknown> = Promise.resolve();
  private questions = 0;
  private readonly seen = new Map<string, number>();
  private unread = '';
  private answered = (): void => {};
  private closed = false;

  constructor() {
    this.ready = this.isOfGroup('SIGURG'); // the answer shows that it has begun
  }

  /** Whether the group got the signal that has just come. Never rejects. */
  isOfGroup(signal: NodeJS.Signals): Promise<boolean> {
    this.questions++;
    const answer = this.last.then(() => this.ask(signal));
    this.last = answer;
    return answer;
  }

  close(): void {
    this.closed = true;
    this.child.kill('SIGKILL');
  }

  private async ask(signal: NodeJS.Signals): Promise<boolean> {
    const answer = new Promise<void>((resolve) => (this.answered = resolve));
    this.child.stdin?.write(`${QUESTION}\n`);
    await within(ANSWER_MS, answer, undefined);
    const times = this.seen.get(signal) ?? 0;
    this.seen.set(signal, Math.max(0, times - 1));
    if (--this.questions === 0) this.seen.clear(); // signals that came twice at once count once
    return times > 0;
  }

  private start(): ChildProcess {
    const words = ['--pdeathsig', 'KILL', '--', 'sh', '-c', SCRIPT];
    const child = spawn('setpriv', words, { stdio: ['pipe', 'pipe', 'ignore'] });
    child.on('error', () => {}); // then signals count as sent to this process alone
    child.stdin?.on('error', () => {}); // it has ended
    child.stdout?.on('data', (chunk: Buffer) => this.read(chunk.toString()));
    child.once('exit', (_status, signal) => {
      if (signal !== null) this.note(signal); // before it could begin
      this.answered();
      if (!this.closed && signal !== null) this.child = this.start();
    });
    return child;
  }

  private read(text: string): void {
    const lines = (this.unread + text).slice(-LONGEST).split('\n');
    this.unread = lines.pop()!;
    for (const line of lines)
      if (line === QUESTION) this.answered();
      else this.note(line);
  }

  private note(signal: string): void {
    this.seen.set(signal, (this.seen.get(signal) ?? 0) + 1);
  }
}
