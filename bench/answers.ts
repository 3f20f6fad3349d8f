import type { Running } from '../src/lab/index.ts';

/** Asks a program by a signal, again and again; it answers each time with a line. */
export class Answers {
  private readonly program: Running;
  private readonly signal: NodeJS.Signals;
  private readonly start: string;
  private asked = 0;

  /** `start`: how the lines begin that are answers. */
  constructor(program: Running, signal: NodeJS.Signals, start: string) {
    this.program = program;
    this.signal = signal;
    this.start = start;
  }

  /** The rest of the line. */
  async ask(timeoutMs: number): Promise<string> {
    this.program.kill(this.signal);
    const [, answer] = await this.program.waitFor(nthLine(this.start, ++this.asked), timeoutMs);
    return answer!;
  }
}

/** Matches from the beginning of a text to the `nth` line with this start. Every line can be matched in one way only, so it takes linear time. */
export function nthLine(start: string, nth: number): RegExp {
  return new RegExp(`^(?:(?:(?!${start} ).*\n)*${start} (.*)\n){${nth}}`);
}
