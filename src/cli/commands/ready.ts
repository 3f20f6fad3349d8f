import { Command } from 'commander';
import type { DaemonReadiness, ReadyStatus, RoleStatus } from '../../control/status.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import type { ExitCode } from '../../daemon/exit-codes.ts';
import { verdictOn } from '../../daemon/readiness.ts';
import { printJson, printLine } from '../output.ts';
import { secondsValue } from '../values.ts';
import { findAnswers, reading } from './ask-daemon.ts';

/** How often `--wait` asks. */
const AGAIN_MS = 250;

interface ReadyOptions {
  readonly json?: boolean;
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
    .option('--json', 'print JSON, one object')
    .option('--wait', 'wait until they can, and for a daemon that does not run yet')
    .option('--timeout <seconds>', 'with --wait: at most this long', secondsValue(1, 86_400))
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, options: ReadyOptions) => {
      const waitMs = options.wait === true ? 1_000 * (options.timeout ?? Infinity) : 0;
      const { status, exitCode } = await waitUntilReady(name, waitMs);
      if (options.json === true) printJson(status);
      else printStatus(status);
      finish(exitCode);
    });
}

/** Resolves once all are ready, or the time is over. */
async function waitUntilReady(
  name: string | undefined,
  waitMs: number,
): Promise<{ readonly status: ReadyStatus; readonly exitCode: ExitCode }> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const { found, failures } = await lookFor(name, performance.now() < deadline);
    const isSilent = failures.some(({ exitCode }) => exitCode === EXIT.TIMED_OUT);
    const ready = found.length > 0 && !isSilent && found.every((one) => one.ready);
    if (ready || performance.now() >= deadline) {
      const unready = isSilent || waitMs > 0 ? EXIT.TIMED_OUT : EXIT.FAILED;
      return {
        status: { version: 1, ready, daemons: found, failures: failures.map(({ message }) => message) },
        exitCode: ready ? EXIT.OK : unready,
      };
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function printStatus({ daemons, failures }: ReadyStatus): void {
  for (const message of failures) process.stderr.write(`${message}\n`);
  for (const { name, words } of daemons) printLine(`${name}: ${words}`);
}

/** `mayCome`: a daemon that does not run yet is no failure. */
async function lookFor(
  name: string | undefined,
  mayCome: boolean,
): Promise<{ readonly found: DaemonReadiness[]; readonly failures: readonly CommandFailure[] }> {
  try {
    const { found, failures } = await findAnswers<RoleStatus>(name, { command: 'status' });
    return {
      found: found.map(({ answer }) => reading(`"${answer.name}"`, () => verdictOn(answer))),
      failures,
    };
  } catch (error) {
    if (mayCome && error instanceof CommandFailure && error.exitCode === EXIT.NO_DAEMON)
      return { found: [], failures: [] };
    throw error;
  }
}
