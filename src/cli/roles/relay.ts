import { Command } from 'commander';
import { RELAY_LIMITS } from '../../core/relay/limits.ts';
import type { Options } from '../../runtime/settings/option.ts';
import { HOST_RELAY_OPTIONS, RELAY_OPTIONS } from '../../runtime/settings/relay-options.ts';
import { addAccessHelp, addLimitsHelp, addOptions, FIXED_LIMITS, valuesOf } from '../flags.ts';

const ACCESS_HELP = `A client is served only if both its own address and the address of its server are served: with --allow, name the servers
too. A native host that sends to another client gets an ICMPv6 error (administratively prohibited).`;

/** `teredo relay` */
export function relayCommand(finish: (exitCode: number) => void): Command {
  const command = new Command('relay').description(
    'carry packets between Teredo clients and native IPv6; behind a NAT (its IPv4 address is not global), bubbles go straight to ' +
      'clients, too',
  );
  return withOptions(command, RELAY_OPTIONS).action(async () => {
    const { runRelay } = await import('../../daemon/run-relay.ts');
    finish(await runRelay(valuesOf(command, RELAY_OPTIONS)));
  });
}

/** `teredo host-relay` */
export function hostRelayCommand(finish: (exitCode: number) => void): Command {
  const command = new Command('host-relay').description(
    'give this host, which has native IPv6, the direct way to Teredo clients',
  );
  return withOptions(command, HOST_RELAY_OPTIONS).action(async () => {
    const { runHostRelay } = await import('../../daemon/run-relay.ts');
    finish(await runHostRelay(valuesOf(command, HOST_RELAY_OPTIONS)));
  });
}

function withOptions(command: Command, options: Options): Command {
  return addLimitsHelp(
    addAccessHelp(addOptions(command, options), ACCESS_HELP),
    RELAY_LIMITS,
    FIXED_LIMITS.relay,
  );
}
