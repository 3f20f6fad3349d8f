import { Command, Option } from 'commander';
import type { Inbound } from '../../runtime/tunnel-guard.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { CLIENT_LIMITS } from '../../core/client/index.ts';
import type { ServerCandidate } from '../../core/client/index.ts';
import type { DataPathWish } from '../../runtime/data-path-use.ts';
import { dataPathOption } from '../data-path.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import { addLimitOption, limitsWith } from '../limits.ts';
import type { LimitValues } from '../limits.ts';
import { noticesOfPortMappingFile, portMappingFile } from '../../daemon/port-mapping.ts';
import { resolveServers } from '../../runtime/servers.ts';
import type { KnownAddresses } from '../../runtime/servers.ts';
import { REFRESH_SECONDS } from '../../runtime/settings/rules.ts';
import { resolveMeetingPoint } from '../../daemon/meeting-point.ts';
import { readSecret } from '../../daemon/secrets.ts';
import {
  hostAddressValue,
  hostsValue,
  interfaceValue,
  meetingPointValue,
  nameValue,
  portValue,
  secondaryValue,
  secondsValue,
} from '../values.ts';
import type { HostPort } from '../../daemon/meeting-point.ts';
import { ClientRole } from '../../daemon/client-role.ts';
import type { ResolvedSettings } from '../../daemon/client-role.ts';
import { runRole } from '../../daemon/run-role.ts';
import type { Role, RunningRole } from '../../daemon/run-role.ts';
import { noticesOfServer } from '../../daemon/start-notices.ts';

interface ClientOptions {
  readonly server: string[];
  readonly secondary?: Ipv4 | 'none';
  readonly port?: number;
  readonly bind?: number;
  readonly interface: string;
  readonly name?: string;
  readonly defaultRoute?: boolean;
  readonly inbound: Inbound;
  readonly onlyWithoutIpv6?: boolean;
  readonly refresh?: number | 'determine';
  readonly localDiscovery: boolean;
  readonly localSameNat?: boolean;
  readonly portMapping: boolean;
  readonly strictUnverified?: boolean;
  readonly legacyCone?: boolean;
  readonly limit?: LimitValues;
  readonly clientId?: string;
  readonly secretFile?: string;
  readonly allowPrivate?: boolean;
  readonly meet?: HostPort;
  readonly dataPath: DataPathWish;
}

/** `teredo client` */
export function clientCommand(finish: (exitCode: number) => void): Command {
  /** Commander takes the last of the two. */
  const given = new Set<string>();
  const command = new Command('client')
    .description('give this host IPv6 through a Teredo server')
    .requiredOption(
      '--server <host[,host...]>',
      'servers: names or IPv4 addresses; the fastest is used',
      hostsValue,
    )
    .option(
      '--secondary <address|none>',
      'second IPv4 address of the one server named; of several behind its name that of the one before it, else of the first ' +
        '(default: the first plus one)',
      secondaryValue,
    )
    .option('--port <number>', 'local UDP port (default: any free one)', portValue)
    .option('--bind <address>', 'local IPv4 address (default: any)', hostAddressValue)
    .option('--interface <name>', 'name of the tunnel interface', interfaceValue, 'teredo')
    .option('--name <name>', 'name of this daemon, for "teredo status" (default: client)', nameValue)
    .option('--default-route', 'send all IPv6 through the tunnel, even where the host has native IPv6')
    .option('--no-default-route', 'only other Teredo clients through the tunnel')
    .addOption(
      new Option(
        '--inbound <accept|refuse>',
        'refuse: only answers to what this host has sent come in by the tunnel',
      )
        .choices(['accept', 'refuse'])
        .default('accept'),
    )
    .option('--only-without-ipv6', 'rest while the host has native IPv6, as RFC 4380 section 5.5 has it')
    .option(
      '--refresh <seconds|auto>',
      'refresh interval of the NAT mapping; auto finds out (default: 30)',
      refreshValue,
    )
    .option('--no-local-discovery', 'do not look for clients on the same link')
    .option('--no-port-mapping', 'do not ask the gateway to open the port (PCP, NAT-PMP, UPnP)')
    .option('--local-same-nat', 'of those on the same link take only clients behind the same NAT')
    .option(
      '--strict-unverified',
      'hold packets of native hosts back until a connectivity test has succeeded',
    )
    .option('--legacy-cone', 'look for a cone NAT first and believe that of peers, as before RFC 5991')
    .option('--client-id <id>', 'identifier for a server that asks for a key')
    .option('--secret-file <file>', 'file that holds the key')
    .option(
      '--meet <host[:port]>',
      'name or IPv4 address of your own relay, run with --meet too: peers that name it too are reached via it when nothing ' +
        'else reaches them (port: 3545)',
      meetingPointValue,
    )
    .option('--allow-private', 'take private IPv4 addresses for global ones: only for a closed network')
    .addOption(dataPathOption())
    .action(async (options: ClientOptions) => {
      if (given.size > 1)
        throw new CommandFailure(EXIT.USAGE, `${[...given].join(' and ')} contradict each other: give one`);
      const notices: string[] = [];
      const known: KnownAddresses = new Map();
      const settings = await settingsOf(options, notices, known);
      const resolve = (): Promise<ServerCandidate[]> =>
        resolveServers(options.server, options.secondary, () => {}, known);
      const make = (running: RunningRole): Role => new ClientRole(settings, resolve, running);
      const exitCode = await runRole('client', options.name, make, notices);
      finish(exitCode);
    });
  for (const flag of ['default-route', 'no-default-route'])
    command.on(`option:${flag}`, () => given.add(`--${flag}`));
  return addLimitOption(command, CLIENT_LIMITS);
}

async function settingsOf(
  options: ClientOptions,
  notices: string[],
  known: KnownAddresses,
): Promise<ResolvedSettings> {
  const warn = (message: string): void => void notices.push(`warning: ${message}`);
  const servers = await resolveServers(options.server, options.secondary, warn, known);
  notices.push(...servers.flatMap(({ primary }) => noticesOfServer(primary, options.allowPrivate)));
  if (options.portMapping) notices.push(...noticesOfPortMappingFile());
  return {
    servers,
    interface: options.interface,
    bind: options.bind,
    port: options.port,
    defaultRoute: options.defaultRoute === undefined ? 'auto' : options.defaultRoute ? 'always' : 'never',
    inbound: options.inbound,
    onlyWithoutIpv6: options.onlyWithoutIpv6,
    refreshInterval: options.refresh,
    localDiscovery: options.localDiscovery,
    discoverSameMappedOnly: options.localSameNat,
    portMapping: options.portMapping ? 'auto' : 'off',
    portMappingFile: portMappingFile(options.name),
    strictUnverified: options.strictUnverified,
    legacyCone: options.legacyCone,
    limits: limitsWith(CLIENT_LIMITS, options.limit),
    secret: readSecret(options.clientId, options.secretFile, warn),
    allowPrivate: options.allowPrivate,
    meetingRelay: options.meet === undefined ? undefined : await resolveMeetingPoint(options.meet),
    dataPath: options.dataPath,
  };
}

/** Milliseconds, or that it is to be found out. */
function refreshValue(text: string): number | 'determine' {
  return text === 'auto' ? 'determine' : secondsValue(REFRESH_SECONDS.low, REFRESH_SECONDS.high)(text) * 1000;
}
