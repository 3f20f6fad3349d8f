import { Command } from 'commander';
import { kernelPorts } from '../../io/kernel-ports.ts';
import { ALL_NATIVE } from '../../runtime/relay.ts';
import type { RelaySettings } from '../../runtime/relay.ts';
import { RELAY_LIMITS } from '../../core/relay/index.ts';
import type { Ipv4, Ipv6Prefix } from '../../wire/index.ts';
import type { DataPathWish } from '../../runtime/data-path-use.ts';
import { noticesOfAccess } from '../../daemon/access-status.ts';
import { accessOf, addAccessOptions } from '../access.ts';
import type { AccessOptions } from '../access.ts';
import { dataPathOption } from '../data-path.ts';
import { addLimitOption, limitsWith } from '../limits.ts';
import type { LimitValues } from '../limits.ts';
import {
  ANNOUNCE_HELP,
  RELAY_PORT,
  hostAddressValue,
  interfaceValue,
  nameValue,
  portValue,
  prefixValue,
} from '../values.ts';
import { RelayRole } from '../../daemon/relay-role.ts';
import { runRole } from '../../daemon/run-role.ts';
import { noticesOfReach } from '../../daemon/start-notices.ts';

interface RelayOptions extends AccessOptions {
  readonly address?: Ipv4;
  readonly announce?: Ipv4;
  readonly port: number;
  readonly interface: string;
  readonly name?: string;
  readonly serve?: Ipv6Prefix[];
  readonly directBubbles?: boolean;
  readonly meet?: boolean;
  readonly trustCone?: boolean;
  readonly limit?: LimitValues;
  readonly allowPrivate?: boolean;
  readonly dataPath: DataPathWish;
}

const ACCESS_HELP = `A client is served only if both its own address and the address of its server are served: with --allow, name the servers
too. A native host that sends to another client gets an ICMPv6 error (administratively prohibited).`;

/** `teredo relay` */
export function relayCommand(finish: (exitCode: number) => void): Command {
  return common(new Command('relay'), 'relay')
    .description(
      'carry packets between Teredo clients and native IPv6; behind a NAT (its IPv4 address is not global), bubbles go straight to ' +
        'clients, too',
    )
    .requiredOption(
      '--address <address>',
      'IPv4 address of this host: the public one, or the one that --announce is translated to',
      hostAddressValue,
    )
    .option('--announce <address>', ANNOUNCE_HELP, hostAddressValue)
    .option(
      '--meet',
      'also pass packets on between clients that name this relay with --meet, and reach each other no other way; ' +
        'how many octets: --limit meeting..., meetings...',
    )
    .option('--serve <prefix...>', 'native prefixes served (default: all of 2000::/3)', prefixValue)
    .action(async (options: RelayOptions & { address: Ipv4 }) => {
      const notices = noticesOfReach(options);
      if (!kernelPorts().network.forwardsIpv6()) {
        notices.push('warning: this host does not forward IPv6: sysctl -w net.ipv6.conf.all.forwarding=1');
      }
      finish(await run('relay', options, options.serve ?? ALL_NATIVE, notices));
    });
}

/** `teredo host-relay` */
export function hostRelayCommand(finish: (exitCode: number) => void): Command {
  return common(new Command('host-relay'), 'host-relay')
    .description('give this host, which has native IPv6, the direct way to Teredo clients')
    .option('--address <address>', 'IPv4 address of this host (default: any)', hostAddressValue)
    .option(
      '--direct-bubbles',
      'send bubbles straight to clients, too: opens the NAT that this host is behind (default: where its IPv4 address is not global)',
    )
    .option('--no-direct-bubbles', 'leave that out')
    .action(async (options: RelayOptions) => {
      const notices: string[] = [];
      if (kernelPorts().network.globalIpv6().length === 0) {
        // H-3. It may come yet: the relay follows the host's addresses.
        notices.push(
          'warning: this host has no native IPv6, and so nothing to relay for: "teredo client" gives it IPv6',
        );
      }
      finish(await run('host-relay', options, undefined, notices));
    });
}

function common(command: Command, role: string): Command {
  const options = command
    .option('--port <number>', 'UDP port', portValue, RELAY_PORT)
    .option('--interface <name>', 'name of the tunnel interface', interfaceValue, 'teredo')
    .option('--name <name>', `name of this daemon, for "teredo status" (default: ${role})`, nameValue)
    .option('--trust-cone', "believe a client's cone bit and send it packets at once, as before RFC 5991")
    .option('--allow-private', 'take private IPv4 addresses for global ones: only for a closed network')
    .addOption(dataPathOption());
  return addLimitOption(addAccessOptions(options, ACCESS_HELP), RELAY_LIMITS);
}

function run(
  role: 'relay' | 'host-relay',
  options: RelayOptions,
  serve: readonly Ipv6Prefix[] | undefined,
  notices: readonly string[],
): Promise<number> {
  const access = accessOf(options);
  const settings: RelaySettings = {
    address: options.address ?? 0,
    announce: options.announce,
    port: options.port,
    interface: options.interface,
    serve,
    directBubbles: options.directBubbles,
    trustCone: options.trustCone,
    meet: options.meet,
    access,
    limits: limitsWith(RELAY_LIMITS, options.limit),
    allowPrivate: options.allowPrivate,
    dataPath: options.dataPath,
  };
  return runRole(role, options.name, (running) => new RelayRole(role, settings, running), [
    ...notices,
    ...noticesOfAccess(access),
  ]);
}
