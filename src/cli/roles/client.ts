import { Command } from 'commander';
import { CLIENT_LIMITS } from '../../core/client/limits.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import { CLIENT_OPTIONS } from '../../runtime/settings/client-options.ts';
import { addLimitsHelp, addOptions, FIXED_LIMITS, valuesOf } from '../flags.ts';

/** `teredo client` */
export function clientCommand(finish: (exitCode: number) => void): Command {
  /** Commander takes the last of the two. */
  const given = new Set<string>();
  const command = new Command('client').description('give this host IPv6 through a Teredo server');
  addLimitsHelp(addOptions(command, CLIENT_OPTIONS), CLIENT_LIMITS, FIXED_LIMITS.client);
  for (const flag of ['default-route', 'no-default-route'])
    command.on(`option:${flag}`, () => given.add(`--${flag}`));
  return command.action(async () => {
    if (given.size > 1)
      throw new CommandFailure(EXIT.USAGE, `${[...given].join(' and ')} contradict each other: give one`);
    const { runClient } = await import('../../daemon/run-client.ts');
    finish(await runClient(valuesOf(command, CLIENT_OPTIONS)));
  });
}
