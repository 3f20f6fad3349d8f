import { Command } from 'commander';
import type { ReadyStatus, RoleStatus } from '../../control/status.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import type { ExitCode } from '../../daemon/exit-codes.ts';
import { verdictOn } from '../../daemon/readiness.ts';
import { printJson, printLine } from '../output.ts';
import { secondsValue } from '../values.ts';
import { exitCodeOfSilent, findAnswers, reading } from './ask-daemon.ts';

/** How often `--wait` asks. */
const AGAIN_MS = 250;
/** A daemon on a busy machine answers in less. */
const LOOK_LEAST_MS = 200;

interface ReadyOptions {
  readonly json?: boolean;
  readonly wait?: boolean;
  readonly timeout?: number;
}

const HELP = `
Exit status: 0 when all daemons that are shown can serve; 1 when one cannot, with the reason; 5 when --timeout has passed first. When one
of several daemons gives no answer: 5 timed out, 1 it ended, 4 not permitted. Without any answer: 1 failed, 3 no such daemon,
4 not permitted, 5 timed out. Without a name, a daemon that has been killed is not missed: give its name. "teredo status" has the same exit status.`;

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

interface Verdict {
  readonly status: ReadyStatus;
  readonly exitCode: ExitCode;
}

/** Resolves once all are ready, or the time is over. Until then a daemon that does not run, or does not answer, is no failure. */
async function waitUntilReady(name: string | undefined, waitMs: number): Promise<Verdict> {
  const deadline = performance.now() + waitMs;
  const leftMs = (): number => Math.max(0, deadline - performance.now());
  let last: Verdict | undefined;
  for (;;) {
    // No time for an answer is left: that of the look before counts.
    if (last !== undefined && leftMs() < LOOK_LEAST_MS) return { ...last, exitCode: EXIT.TIMED_OUT };
    try {
      const verdict = await lookFor(name, Number.isFinite(waitMs) && waitMs > 0 ? leftMs() : undefined);
      if (verdict.status.ready || waitMs === 0) return verdict;
      last = verdict;
    } catch (error) {
      if (leftMs() === 0 || !isPassing(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(AGAIN_MS, leftMs())));
  }
}

/** Whether time may end the failure. */
function isPassing(error: unknown): boolean {
  return error instanceof CommandFailure && error.exitCode !== EXIT.NOT_PERMITTED;
}

function printStatus({ daemons, failures }: ReadyStatus): void {
  for (const message of failures) process.stderr.write(`${message}\n`);
  for (const { name, words } of daemons) printLine(`${name}: ${words}`);
}

/** `patienceMs`: the look takes no longer. */
async function lookFor(name: string | undefined, patienceMs: number | undefined): Promise<Verdict> {
  const answers = await findAnswers<RoleStatus>(name, { command: 'status' }, patienceMs);
  const daemons = answers.found.map(({ answer }) => reading(`"${answer.name}"`, () => verdictOn(answer)));
  const failed = exitCodeOfSilent(answers.silent);
  const ready = failed === undefined && daemons.every((one) => one.ready);
  return {
    status: { version: 1, ready, daemons, failures: answers.failures.map(({ message }) => message) },
    exitCode: ready ? EXIT.OK : (failed ?? EXIT.FAILED),
  };
}
