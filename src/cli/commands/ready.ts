import { Command } from 'commander';
import type { RoleStatus } from '../../control/status.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import type { ExitCode } from '../../daemon/exit-codes.ts';
import { readinessOf } from '../../daemon/readiness.ts';
import type { Readiness } from '../../daemon/readiness.ts';
import { printLine } from '../output.ts';
import { secondsValue } from '../values.ts';
import { findAnswers, reading } from './ask-daemon.ts';

/** How often `--wait` asks. */
const AGAIN_MS = 250;

type NamedReadiness = Readiness & { readonly name: string };

interface ReadyOptions {
  readonly wait?: boolean;
  readonly timeout?: number;
}

const HELP = `
Exit status: 0 when all daemons that are shown can serve; 1 when one cannot, with the reason; 5 when one does not answer, or --timeout has
passed first. A daemon that was killed is missed only by its name. Without an answer: 1 failed, 3 no such daemon, 4 not permitted, 5 timed out. "teredo status" has the same exit status.`;

/** `teredo ready`: whether the daemons can serve. */
export function readyCommand(finish: (exitCode: number) => void): Command {
  return new Command('ready')
    .description('whether the daemons can serve, by exit status and with the reason')
    .argument('[name]', 'of this daemon only')
    .option('--wait', 'wait until they can, and for a daemon that does not run yet')
    .option('--timeout <seconds>', 'with --wait: at most this long', secondsValue(1, 86_400))
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, options: ReadyOptions) => {
      const waitMs = options.wait === true ? 1_000 * (options.timeout ?? Infinity) : 0;
      finish(await waitUntilReady(name, waitMs));
    });
}

/** Prints a line for each daemon once all are ready, or the time is over; returns the exit status. */
async function waitUntilReady(name: string | undefined, waitMs: number): Promise<ExitCode> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const { found, failures } = await lookFor(name, performance.now() < deadline);
    const isSilent = failures.some(({ exitCode }) => exitCode === EXIT.TIMED_OUT);
    const isReady = found.length > 0 && !isSilent && found.every((one) => one.isReady);
    if (isReady || performance.now() >= deadline) {
      for (const { message } of failures) process.stderr.write(`${message}\n`);
      for (const one of found) printLine(`${one.name}: ${one.words}`);
      if (isReady) return EXIT.OK;
      return isSilent || waitMs > 0 ? EXIT.TIMED_OUT : EXIT.FAILED;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** `mayCome`: a daemon that does not run yet is no failure. */
async function lookFor(
  name: string | undefined,
  mayCome: boolean,
): Promise<{ readonly found: NamedReadiness[]; readonly failures: readonly CommandFailure[] }> {
  try {
    const { found, failures } = await findAnswers<RoleStatus>(name, { command: 'status' });
    const named = found.map(({ answer }) =>
      reading(`"${answer.name}"`, () => ({ name: answer.name, ...readinessOf(answer) })),
    );
    return { found: named, failures };
  } catch (error) {
    if (mayCome && error instanceof CommandFailure && error.exitCode === EXIT.NO_DAEMON)
      return { found: [], failures: [] };
    throw error;
  }
}
