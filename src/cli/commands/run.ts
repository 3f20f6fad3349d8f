import { Command } from 'commander';
import type { GivenValues } from '../../daemon/configuration/layers.ts';
import { configurationPath } from '../../daemon/configuration/path.ts';
import { ROLES } from '../../daemon/configuration/roles.ts';
import type { RoleName } from '../../daemon/configuration/roles.ts';
import type { Options } from '../../runtime/settings/option.ts';
import { addOptions, flagsGiven } from '../flags.ts';

/** The argument that names a configuration. */
export const CONFIGURATION = ['<name|file>', 'NAME of /etc/teredo/NAME.toml, or the path of a file'] as const;

/** `teredo run` */
export function runCommand(finish: (exitCode: number) => void): Command {
  return withFlagsOfRole(
    new Command('run').description(
      'run the role that a configuration file describes; flags of the role take precedence over the file',
    ),
  ).action(async (given: string, flags: readonly string[]) => {
    const { runConfigured } = await import('../../daemon/run-configured.ts');
    finish(await runConfigured(configurationPath(given), parserOf(flags)));
  });
}

/** The flags of the role are not known before the file is read. */
export function withFlagsOfRole(command: Command): Command {
  return command
    .argument(...CONFIGURATION)
    .argument('[flags...]', 'as of "teredo client", "teredo relay" ...')
    .allowUnknownOption();
}

/** Parses flags once the role is known. */
export function parserOf(flags: readonly string[]): (role: RoleName) => GivenValues {
  return (role) => {
    const options: Options = ROLES[role].options;
    const command = addOptions(new Command(role), options, false).exitOverride().allowExcessArguments(false);
    command.parse(flags, { from: 'user' });
    return flagsGiven(command, options);
  };
}
