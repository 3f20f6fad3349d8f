import { setFlagsFromString } from 'node:v8';
import { Command, CommanderError } from 'commander';
import { EnvironmentError } from '../io/errors.ts';
import { systemErrorIn } from '../io/system-failures.ts';
import { addressCommand } from './commands/address.ts';
import { netcheckCommand } from './commands/netcheck.ts';
import { peersCommand } from './commands/peers.ts';
import { pingCommand } from './commands/ping.ts';
import { statusCommand } from './commands/status.ts';
import { demoCommand } from './demo/command.ts';
import { CommandFailure, EXIT } from '../daemon/exit-codes.ts';
import { clientCommand } from './roles/client.ts';
import { hostRelayCommand, relayCommand } from './roles/relay.ts';
import { serverCommand } from './roles/server.ts';
import { VERSION } from './commands/version.ts';
import { SettingsError } from '../runtime/settings/settings-error.ts';
import { inOptions } from './option-of-setting.ts';
import { requireAfterUnknown } from './required-option.ts';

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

/** The program: one command, one exit status. */
process.exitCode = await main(process.argv);

async function main(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.OK;
  const finish = (code: number): void => {
    exitCode = code;
  };
  const program = new Command('teredo')
    .description('Teredo (RFC 4380): IPv6 for hosts behind IPv4 NATs')
    .version(VERSION)
    .showHelpAfterError('(see "teredo --help")');
  const commands = [
    clientCommand(finish),
    serverCommand(finish),
    relayCommand(finish),
    hostRelayCommand(finish),
    statusCommand(finish),
    peersCommand(),
    pingCommand(finish),
    netcheckCommand(finish),
    addressCommand(),
    demoCommand(finish),
  ];
  for (const command of commands) program.addCommand(settle(command));
  program.exitOverride();
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    return failure(error);
  }
}

/** Commander's errors come to us instead of ending the process. */
function settle(command: Command): Command {
  command.exitOverride();
  requireAfterUnknown(command);
  for (const below of command.commands) settle(below);
  return command;
}

function failure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE; // it has spoken already
  if (error instanceof CommandFailure) return complain(error.message, error.exitCode);
  if (error instanceof SettingsError) return complain(inOptions(error), EXIT.USAGE);
  if (error instanceof EnvironmentError) {
    if (error.code === 'not-permitted') return complain(error.message, EXIT.NOT_PERMITTED);
    return complain(error.message, error.code === 'not-local' ? EXIT.USAGE : EXIT.FAILED);
  }
  if (systemErrorIn(error) !== undefined)
    return complain(`the system refused: ${(error as Error).message}`, EXIT.FAILED);
  throw error; // a bug: with its stack
}

function complain(message: string, exitCode: number): number {
  process.stderr.write(`teredo: ${message}\n`);
  return exitCode;
}
