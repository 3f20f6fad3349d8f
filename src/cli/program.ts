import { isSea } from 'node:sea';
import { Command } from 'commander';
import type { OutputConfiguration } from 'commander';
import { addressCommand } from './commands/address.ts';
import { attachCommand } from './commands/attach.ts';
import { configCommand } from './commands/config.ts';
import { dashboardCommand } from './commands/dashboard.ts';
import { drainCommand } from './commands/drain.ts';
import { execCommand } from './commands/exec.ts';
import { forwardCommand } from './commands/forward.ts';
import { netcheckCommand } from './commands/netcheck.ts';
import { peersCommand } from './commands/peers.ts';
import { pingCommand } from './commands/ping.ts';
import { VERSION } from '../daemon/http/version.ts';
import { proxyCommand } from './commands/proxy.ts';
import { readyCommand } from './commands/ready.ts';
import { reloadCommand } from './commands/reload.ts';
import { runCommand } from './commands/run.ts';
import { statusCommand } from './commands/status.ts';
import { usersCommand } from './commands/users.ts';
import { completeCommand } from './completion/command.ts';
import { demoCommand } from './demo/command.ts';
import { arrangeHelp } from './help.ts';
import { requireAfterUnknown } from './required-option.ts';
import { clientCommand } from './roles/client.ts';
import { hostRelayCommand, relayCommand } from './roles/relay.ts';
import { serverCommand } from './roles/server.ts';
import { printableLines } from '../runtime/settings/quoted.ts';

const PRINTABLE_ERRORS: OutputConfiguration = {
  outputError: (text, write) => write(printableLines(text)),
};

/** The program with all its commands. `finish` gets the exit status of a command that has one of its own. */
export function makeProgram(finish: (exitCode: number) => void): Command {
  const program = new Command('teredo')
    .description('Teredo (RFC 4380): IPv6 for hosts behind IPv4 NATs')
    .version(VERSION)
    .enablePositionalOptions()
    .configureOutput(PRINTABLE_ERRORS)
    .showHelpAfterError('(see "teredo --help")');
  const commands = [
    clientCommand(finish),
    serverCommand(finish),
    relayCommand(finish),
    hostRelayCommand(finish),
    execCommand(finish),
    attachCommand(finish),
    proxyCommand(finish),
    forwardCommand(finish),
    runCommand(finish),
    configCommand(),
    reloadCommand(finish),
    statusCommand(finish),
    readyCommand(finish),
    drainCommand(),
    peersCommand(),
    usersCommand(),
    dashboardCommand(),
    pingCommand(finish),
    netcheckCommand(finish),
    addressCommand(),
    // It runs this program's files with node.
    ...(isSea() ? [] : [demoCommand(finish)]),
  ];
  for (const command of commands) program.addCommand(settle(command));
  program.addCommand(completeCommand(program), { hidden: true });
  return program.exitOverride();
}

/** Commander throws its errors instead of ending the process. `above`: the words of the command that it belongs to. */
function settle(command: Command, above: readonly string[] = []): Command {
  const path = [...above, command.name()];
  command.exitOverride();
  command.configureOutput(PRINTABLE_ERRORS);
  arrangeHelp(command, path.join(' '));
  requireAfterUnknown(command);
  for (const below of command.commands) settle(below, path);
  return command;
}
