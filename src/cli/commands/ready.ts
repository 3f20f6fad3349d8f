import { Command } from 'commander';
import type { RoleStatus } from '../../control/status.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import type { ExitCode } from '../../daemon/exit-codes.ts';
import { readinessOf } from '../../daemon/readiness.ts';
import type { Readiness } from '../../daemon/readiness.ts';
import { printLine } from '../output.ts';
import { secondsValue } from '../values.ts';
import { askDaemons, reading } from './ask-daemon.ts';

/** How often `--wait` asks. */
const AGAIN_MS = 250;

interface ReadyOptions {
  readonly wait?: boolean;
  readonly timeout?: number;
}

const HELP = `
Exit status: 0 when all daemons that are shown can serve; 1 when one cannot, with the reason; 5 when --timeout has passed first.
Without an answer: 1 failed, 3 no such daemon, 4 not permitted, 5 timed out. "teredo status" has the same exit status.`;

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
    const found = await lookFor(name, performance.now() < deadline);
    const isReady = found.length > 0 && found.every((one) => one.isReady);
    if (isReady || performance.now() >= deadline) {
      for (const one of found) printLine(`${one.name}: ${one.words}`);
      if (isReady) return EXIT.OK;
      return waitMs > 0 ? EXIT.TIMED_OUT : EXIT.FAILED;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** `mayCome`: a daemon that does not run yet is no failure. */
async function lookFor(
  name: string | undefined,
  mayCome: boolean,
): Promise<(Readiness & { readonly name: string })[]> {
  try {
    const all = await askDaemons<RoleStatus>(name, { command: 'status' });
    return all.map((status) =>
      reading(`"${status.name}"`, () => ({ name: status.name, ...readinessOf(status) })),
    );
  } catch (error) {
    if (mayCome && error instanceof CommandFailure && error.exitCode === EXIT.NO_DAEMON) return [];
    throw error;
  }
}
