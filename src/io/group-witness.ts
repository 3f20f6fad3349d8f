import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { within } from './deadline.ts';

/** A process that answers in more is stopped, as by Ctrl-Z. A question that is not answered in less is asked again. */
const [ANSWER_MS, AGAIN_MS] = [500, 100];
/** The most octets of an unfinished line. */
const LONGEST = 4_096;
/**
 * Names each signal that it gets, and repeats each line; ends with its input. A signal interrupts `read`, and what that has read is lost. Its status is
 * then above 128, or 1 as at the end of the input, if a line came at the same time: so the end counts only the tenth time.
 */
const SCRIPT =
  'for s in HUP INT QUIT TERM USR1 USR2 TSTP CONT; do trap "echo SIG$s" $s; done; n=0; ' +
  'while [ $n -lt 10 ]; do if read -r line; then n=0; echo "$line"; elif [ $? -lt 128 ]; then n=$((n + 1)); fi; done';

/**
 * Tells whether a signal came to the whole process group or to this process alone, which the kernel does not say. A further process of the group says
 * which signals it has got, before it answers the next question.
 */
export class GroupWitness {
  /** Resolves when it sees signals. Never rejects. */
  readonly ready: Promise<unknown>;
  private child = this.start();
  private last: Promise<unknown> = Promise.resolve();
  /** By signal: how often the witness has named it, and the questions about it that wait. */
  private readonly seen = new Map<string, number>();
  private readonly questions = new Map<string, number>();
  private unread = '';
  /** The number of the last question. A late answer to one before is none. */
  private number = 0;
  private answered = (): void => {};
  private closed = false;

  constructor() {
    this.ready = this.isOfGroup('SIGURG'); // the answer shows that it has begun
  }

  /** Whether the group got the signal that has just come. Never rejects. */
  isOfGroup(signal: NodeJS.Signals): Promise<boolean> {
    this.questions.set(signal, (this.questions.get(signal) ?? 0) + 1);
    const answer = this.last.then(() => this.ask(signal));
    this.last = answer;
    return answer;
  }

  close(): void {
    this.closed = true;
    this.child.kill('SIGKILL');
  }

  private async ask(signal: NodeJS.Signals): Promise<boolean> {
    await this.isNamed();
    const times = this.seen.get(signal) ?? 0;
    const waiting = this.questions.get(signal)! - 1;
    this.questions.set(signal, waiting);
    // One that came twice at once counts once. Other signals stay: this process may not have looked at them yet, though the witness has.
    this.seen.set(signal, waiting === 0 ? 0 : Math.max(0, times - 1));
    return times > 0;
  }

  /** Resolves when the witness has named the signals that it got before. */
  private async isNamed(): Promise<void> {
    this.number++;
    let isAnswered = false;
    const answer = new Promise<void>((resolve) => (this.answered = resolve)).then(() => (isAnswered = true));
    for (let waited = 0; waited < ANSWER_MS && !isAnswered; waited += AGAIN_MS) {
      this.child.stdin?.write(`${this.number}\n`);
      await within(AGAIN_MS, answer, undefined);
    }
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
      if (line.startsWith('SIG')) this.note(line);
      else if (line === String(this.number)) this.answered();
  }

  private note(signal: string): void {
    this.seen.set(signal, (this.seen.get(signal) ?? 0) + 1);
  }
}
