import { setFlagsFromString } from 'node:v8';
import { CommanderError } from 'commander';
import { CommandFailure, EXIT } from '../daemon/exit-codes.ts';
import { sayFailure } from '../daemon/log.ts';
import { EnvironmentError } from '../io/errors.ts';
import { systemErrorIn } from '../io/system-failures.ts';
import { SettingsError } from '../runtime/settings/settings-error.ts';
import { inOptions } from './option-of-setting.ts';
import { makeProgram } from './program.ts';

// The reader of the answer may end first: `teredo status | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.OK);
  process.stderr.write(`teredo: cannot write the answer: ${error.message}\n`);
  process.exit(EXIT.FAILED);
});

// A role keeps running when its terminal or pipe has gone (EIO, EPIPE): its lines are lost.
process.stderr.on('error', () => {});

// Most objects here die young. V8 would double the room for young ones under load: 20 MB and more without any use.
setFlagsFromString('--semi-space-growth-factor=1');
// Threads that help to collect young objects wait for a processor while packets occupy all, and the main thread waits for them.
setFlagsFromString('--no-parallel-scavenge');

/** Runs one command, which gives one exit status. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  let exitCode: number = EXIT.OK;
  const program = makeProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv);
    process.exitCode = exitCode;
  } catch (error) {
    process.exitCode = failure(error);
  }
}

function failure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE; // it has spoken already
  if (error instanceof CommandFailure) return complain(error.lines.join('\n'), error.exitCode);
  if (error instanceof SettingsError) return complain(inOptions(error), EXIT.USAGE);
  if (error instanceof EnvironmentError) {
    return complain(error.message, error.code === 'not-permitted' ? EXIT.NOT_PERMITTED : EXIT.FAILED);
  }
  if (systemErrorIn(error) !== undefined)
    return complain(`the system refused: ${(error as Error).message}`, EXIT.FAILED);
  throw error; // a bug: with its stack
}

function complain(message: string, exitCode: number): number {
  sayFailure(message);
  return exitCode;
}
