import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import type { ExitCode } from '../../daemon/exit-codes.ts';
import { printLine } from '../output.ts';
import type { Look } from './sample.ts';
import { isInForeground } from './foreground.ts';
import { Screen } from './screen.ts';

/** How often `--watch` looks. */
const WATCH_MS = 1_000;

/** The lines of a look, and the exit status that it gives. */
export interface Frame {
  readonly lines: readonly string[];
  /** Why some daemons are not among them. */
  readonly complaints: readonly string[];
  readonly exitCode: ExitCode;
}

/** The answer to stdout, all else to stderr. */
export function printFrame({ lines, complaints }: Frame): void {
  for (const line of complaints) process.stderr.write(`${line}\n`);
  for (const line of lines) printLine(line);
}

/**
 * Looks every second until a signal ends it, with the exit status of the last look. A terminal is redrawn in place, unless another job has it; other
 * outputs get one look after the other. The first look has to succeed.
 */
export async function watch(
  lookOnce: (before: Look | undefined) => Promise<Look>,
  frameOf: (look: Look) => Frame,
): Promise<never> {
  const screen = canRedraw(process.stdout.isTTY, process.env['TERM'])
    ? new Screen(process.stdout)
    : undefined;
  let exitCode: ExitCode = EXIT.OK;
  const end = (): never => {
    screen?.close();
    process.exit(exitCode);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  if (screen !== undefined) leaveWhileStopped(screen);
  let last = await lookOnce(undefined);
  try {
    for (let frame = frameOf(last); ;) {
      exitCode = frame.exitCode;
      if (screen === undefined) printFrame(frame);
      else if (isInForeground()) screen.draw([...frame.lines, ...frame.complaints]);
      await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
      try {
        last = await lookOnce(last);
        frame = frameOf(last);
      } catch (error) {
        // A daemon that is being restarted comes back.
        if (!(error instanceof CommandFailure)) throw error;
        frame = { lines: [], complaints: [error.message], exitCode: error.exitCode };
      }
    }
  } finally {
    screen?.close();
  }
}

/** Whether the output is a terminal that moves its cursor. */
export function canRedraw(isTerminal: boolean, kind: string | undefined): boolean {
  return isTerminal && kind !== undefined && kind !== '' && kind !== 'dumb';
}

/** Ctrl-Z gives the terminal back to the shell; once the process runs again, the next look draws the whole screen. */
function leaveWhileStopped(screen: Screen): void {
  process.on('SIGTSTP', () => {
    screen.close();
    process.kill(process.pid, 'SIGSTOP');
  });
}
