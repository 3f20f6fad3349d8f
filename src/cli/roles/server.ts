import { Command } from 'commander';
import { SERVER_LIMITS } from '../../core/server/limits.ts';
import { SERVER_OPTIONS } from '../../runtime/settings/server-options.ts';
import { addAccessHelp, addLimitsHelp, addOptions, FIXED_LIMITS, valuesOf } from '../flags.ts';

const ACCESS_HELP = `Nothing is forwarded to an address that is not served. Relays, and clients of other servers, reach the clients of this
one through it: they have to be served, too.`;

/** `teredo server` */
export function serverCommand(finish: (exitCode: number) => void): Command {
  const command = new Command('server').description('help Teredo clients to qualify and to reach each other');
  addLimitsHelp(
    addAccessHelp(addOptions(command, SERVER_OPTIONS), ACCESS_HELP),
    SERVER_LIMITS,
    FIXED_LIMITS.server,
  );
  return command.action(async () => {
    const { runServer } = await import('../../daemon/run-server.ts');
    finish(await runServer(valuesOf(command, SERVER_OPTIONS)));
  });
}
