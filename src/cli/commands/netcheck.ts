import { Command } from 'commander';
import { LIFETIME_SECONDS } from '../netcheck/options.ts';
import type { NetcheckOptions } from '../netcheck/options.ts';
import { hostAddressValue, hostsValue, portValue, secondaryValue, secondsValue } from '../values.ts';

/** `teredo netcheck`: would Teredo work here, with which peers, and if not, why not. It needs neither a daemon nor root. */
export function netcheckCommand(finish: (exitCode: number) => void): Command {
  return new Command('netcheck')
    .description(
      'find out, without root, whether Teredo works here, through which server best, how the NAT behaves, whether ports of it ' +
        'can be opened, and which peers it lets this host reach, or why not',
    )
    .requiredOption('--server <host[,host...]>', 'servers to ask', hostsValue)
    .option(
      '--secondary <address|none>',
      'second IPv4 address of the one server named; of several behind its name that of the one before it, else of the first ' +
        '(default: the first plus one)',
      secondaryValue,
    )
    .option('--bind <address>', 'local IPv4 address (default: any)', hostAddressValue)
    .option(
      '--port <number>',
      'local UDP port, as one that is forwarded: its mapping is looked at (default: any free one)',
      portValue,
    )
    .option(
      '--lifetime [seconds]',
      `measure too how long the NAT keeps a silent mapping, in so many seconds at the most (default: ${LIFETIME_SECONDS})`,
      secondsValue(20, 600),
    )
    .option('--allow-private', 'take private IPv4 addresses for global ones')
    .option('--json', 'print JSON')
    .action(async (options: NetcheckOptions) => {
      const { runNetcheck } = await import('../netcheck/run.ts');
      finish(await runNetcheck(options));
    });
}
