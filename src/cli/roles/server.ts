import { Command } from 'commander';
import { kernelPorts } from '../../io/kernel-ports.ts';
import type { ServerSettings } from '../../runtime/server.ts';
import { formatIpv4 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { SERVER_LIMITS } from '../../core/server/index.ts';
import type { DataPathWish } from '../../runtime/data-path-use.ts';
import { noticesOfAccess } from '../../daemon/access-status.ts';
import { accessOf, addAccessOptions } from '../access.ts';
import type { AccessOptions } from '../access.ts';
import { dataPathOption } from '../data-path.ts';
import { addLimitOption, limitsWith } from '../limits.ts';
import type { LimitValues } from '../limits.ts';
import { readKeys } from '../../daemon/secrets.ts';
import { nextAddress } from '../../runtime/servers.ts';
import { ANNOUNCE_HELP, hostAddressValue, nameValue, secondaryValue } from '../values.ts';
import { runRole } from '../../daemon/run-role.ts';
import { ServerRole } from '../../daemon/server-role.ts';
import { noticesOfReach } from '../../daemon/start-notices.ts';

interface ServerOptions extends AccessOptions {
  readonly address: Ipv4;
  readonly secondary?: Ipv4 | 'none';
  readonly announce?: Ipv4;
  readonly announceSecondary?: Ipv4;
  readonly name?: string;
  readonly mtu: boolean;
  readonly native: boolean;
  readonly keys?: string;
  readonly limit?: LimitValues;
  readonly allowPrivate?: boolean;
  readonly dataPath: DataPathWish;
}

const ACCESS_HELP = `Nothing is forwarded to an address that is not served. Relays, and clients of other servers, reach the clients of this
one through it: they have to be served, too.`;

/** `teredo server` */
export function serverCommand(finish: (exitCode: number) => void): Command {
  const command = new Command('server')
    .description('help Teredo clients to qualify and to reach each other')
    .requiredOption(
      '--address <address>',
      'IPv4 address of this host, UDP port 3544: the public one, or the one that --announce is translated to',
      hostAddressValue,
    )
    .option(
      '--secondary <address|none>',
      'second IPv4 address (default: the first plus one, where the host has it)',
      secondaryValue,
    )
    .option('--announce <address>', ANNOUNCE_HELP, hostAddressValue)
    .option('--announce-secondary <address>', 'the same for --secondary', hostAddressValue)
    .option('--name <name>', 'name of this daemon, for "teredo status" (default: server)', nameValue)
    .option('--no-mtu', 'leave the MTU option out of advertisements: some checkers of Windows want 109 bytes')
    .option('--no-native', "do not forward clients' connectivity tests to native hosts")
    .option(
      '--keys <file>',
      'answer only clients with a key: lines of client id and secret, "expired" behind old ones',
    )
    .addOption(dataPathOption('answers solicitations and forwards bubbles'))
    .option('--allow-private', 'take private IPv4 addresses for global ones: only for a closed network')
    .action(async (options: ServerOptions) => {
      const secondary = secondaryOf(options);
      const access = accessOf(options);
      const notices: string[] = [];
      const warn = (message: string): void => void notices.push(`warning: ${message}`);
      const keys = options.keys === undefined ? undefined : readKeys(options.keys, warn);
      const settings: ServerSettings = {
        address: options.address,
        secondary,
        announce: options.announce,
        announceSecondary: options.announceSecondary,
        advertiseMtu: options.mtu,
        nativeForwarding: options.native,
        keys,
        access,
        limits: limitsWith(SERVER_LIMITS, options.limit),
        allowPrivate: options.allowPrivate,
        dataPath: options.dataPath,
      };
      notices.push(...noticesOfReach(options), ...noticesOfAccess(access));
      if (secondary === undefined) {
        notices.push(
          `one IPv4 address only (${formatIpv4(options.address)}): clients cannot find out whether their NAT is symmetric, ` +
            'those of RFC 4380 and Windows in its old way may not qualify; a second address is given with --secondary',
        );
      }
      if (options.native && !kernelPorts().network.hasNativeIpv6('')) {
        notices.push(
          'warning: this host has no IPv6 route to the Internet: clients reach native hosts only after a test that the server ' +
            'forwards to them; --no-native says that this is meant so',
        );
      }
      finish(await runRole('server', options.name, () => new ServerRole(settings), notices));
    });
  return addLimitOption(addAccessOptions(command, ACCESS_HELP), SERVER_LIMITS);
}

function secondaryOf(options: ServerOptions): Ipv4 | undefined {
  if (options.secondary === 'none') return undefined;
  if (options.secondary !== undefined) return options.secondary;
  // The address outside of one that was not named is not known.
  if (options.announce !== undefined && options.announceSecondary === undefined) return undefined;
  const next = nextAddress(options.address);
  const here = kernelPorts().network.ipv4Subnets();
  return here.some(({ address }) => address === next) ? next : undefined;
}
