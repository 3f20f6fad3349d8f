import { Command, Option } from 'commander';
import { kernelPorts } from '../../io/kernel-ports.ts';
import { Client } from '../../runtime/client.ts';
import type { ClientSettings } from '../../runtime/client.ts';
import type { Inbound } from '../../runtime/tunnel-guard.ts';
import { networkNamespace } from '../../daemon/network-namespace.ts';
import type { ClientStatus, ContactStatus, PeerStatus } from '../../daemon/status.ts';
import { formatEndpoint, formatIpv4, formatIpv6 } from '../../wire/index.ts';
import type { Ipv4, Ipv6 } from '../../wire/index.ts';
import { CLIENT_LIMITS } from '../../core/client/index.ts';
import type { ServerCandidate } from '../../core/client/index.ts';
import type { DataPathWish } from '../../runtime/data-path-use.ts';
import { dataPathInWords, dataPathOption, dataPathStatus } from '../data-path.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';
import { explainReason } from '../explain.ts';
import { addLimitOption, limitsWith } from '../limits.ts';
import type { LimitValues } from '../limits.ts';
import { peerStatus } from '../peer-status.ts';
import {
  noticesOfPortMappingFile,
  portMappingFile,
  portMappingInWords,
  portMappingStatus,
} from '../port-mapping.ts';
import { ResolveAgain } from '../../runtime/resolve-again.ts';
import { resolveServers } from '../../runtime/servers.ts';
import type { KnownAddresses } from '../../runtime/servers.ts';
import { REFRESH_SECONDS } from '../../runtime/settings/rules.ts';
import { noticesOfServer, resolveMeetingPoint } from '../resolve.ts';
import { readSecret } from '../secrets.ts';
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
import type { HostPort } from '../values.ts';
import { commonStatus, runRole, say, sayWhyNotKernel } from './run-role.ts';
import type { Role, RunningRole } from './run-role.ts';

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

/** Names are resolved before anything is opened. */
type ResolvedSettings = ClientSettings & { readonly servers: readonly ServerCandidate[] };

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

class ClientRole implements Role {
  private readonly client: Client;
  private readonly again: ResolveAgain;
  private readonly mayMeet: boolean;
  private isExposureSaid = false;
  private saidAddress: string | undefined;

  constructor(settings: ResolvedSettings, resolve: () => Promise<ServerCandidate[]>, running: RunningRole) {
    const ports = kernelPorts();
    const client = new Client(settings, ports);
    this.client = client;
    this.mayMeet = settings.meetingRelay !== undefined;
    this.again = new ResolveAgain(client, settings.servers, resolve, ports.clock);
    client.on('state', (state, reason) => {
      if (state === 'qualified') {
        say(`qualified: ${client.toString()}, ${natInWords(client, this.mayMeet)}`);
        this.saidAddress = client.toString();
        this.sayExposure(settings);
      } else if (reason !== undefined && reason !== 'stopped') say(`${state}: ${explainReason(reason)}`);
    });
    client.on('default-route', (on) => {
      if (on) say(`default route through ${client.interfaceName}`);
      else if (client.address !== undefined) say('no default route');
    });
    client.on('address', (address) => {
      if (address !== undefined) this.sayChange(formatIpv6(address));
      if (address !== undefined && !client.hasDefaultRoute) sayWhoHasTheDefault(settings);
    });
    client.on('port-mapping', (mapping) =>
      say(
        mapping === undefined
          ? 'the gateway maps the port no longer'
          : `the gateway has opened ${portMappingInWords(portMappingStatus(mapping))}`,
      ),
    );
    client.on('data-path', (path) => say(`data path: ${dataPathInWords(path)}`));
    client.on('resumed', (ms) =>
      say(`this host was suspended for ${Math.round(ms / 1_000)} s: the mapping is checked`),
    );
    client.on('warning', (message) => say(`warning: ${message}`));
    client.on('lost', (error) => running.end(EXIT.FAILED, error.message));
  }

  /** While it stays qualified: the NAT has given another mapping. Else the line of the qualification has the address. */
  private sayChange(address: string): void {
    const { client, saidAddress } = this;
    if (client.state !== 'qualified' || saidAddress === undefined || saidAddress === address) return;
    this.saidAddress = address;
    say(`the address has changed: ${address} (it was ${saidAddress}), ${natInWords(client, this.mayMeet)}`);
  }

  /** Once: from the first qualification on. */
  private sayExposure({ inbound }: ClientSettings): void {
    if (this.isExposureSaid || inbound === 'refuse') return;
    this.isExposureSaid = true;
    say(
      `this host is now reachable from the whole IPv6 Internet at its Teredo address, whatever the NAT filters: ` +
        'let the IPv6 firewall of this host decide what comes in, or start the client with --inbound refuse',
    );
  }

  async start(): Promise<void> {
    await this.client.start();
    sayWhyNotKernel(this.client.dataPath);
  }

  close(): Promise<void> {
    this.again.rest();
    return this.client.close();
  }

  status(name: string): ClientStatus {
    const { client } = this;
    const { server, reason, address, mapped, roundTripMs } = client;
    return {
      ...commonStatus(name),
      role: 'client',
      state: client.state,
      ...(reason === undefined ? {} : { reason }),
      nat: client.nat,
      ...(server === undefined
        ? {}
        : {
            server: {
              name: server.name ?? formatIpv4(server.primary),
              address: formatIpv4(server.primary),
              ...(roundTripMs === undefined ? {} : { roundTripMs }),
            },
          }),
      ...(address === undefined ? {} : { address: formatIpv6(address) }),
      ...(mapped === undefined ? {} : { mapped: formatEndpoint(mapped) }),
      port: client.port,
      ...(client.portMapping === undefined ? {} : { portMapping: portMappingStatus(client.portMapping) }),
      interface: client.interfaceName ?? '',
      defaultRoute: client.hasDefaultRoute,
      refreshIntervalSeconds: client.refreshIntervalMs / 1000,
      peers: client.peerCounts,
      dataPath: dataPathStatus(client),
      counters: { ...client.counters, ...client.portCounters },
    };
  }

  contact(name: string, address: Ipv6): ContactStatus {
    const progress = this.client.progress(address);
    const common = {
      version: 1,
      name,
      networkNamespace: networkNamespace(),
      qualified: progress !== undefined,
      mayMeet: this.mayMeet,
    } as const;
    if (progress === undefined) return { ...common, ...NO_PROGRESS };
    const { mapped, ...rest } = progress;
    return { ...common, ...rest, ...(mapped === undefined ? {} : { mapped: formatEndpoint(mapped) }) };
  }

  peers(limit: number): { total: number; shown: Iterable<PeerStatus> } {
    const { trusted, unverified } = this.client.peerCounts;
    return { total: trusted + unverified, shown: this.inStatus(limit) };
  }

  /** Made one by one, while the client works on. */
  private *inStatus(limit: number): Generator<PeerStatus> {
    const { client } = this;
    let count = 0;
    if (limit === 0) return;
    for (const peer of client.peers()) {
      const { address } = peer;
      yield peerStatus(peer, client.carriedPathOf(address), client.now, client.trafficOf(address));
      if (++count >= limit) return;
    }
  }
}

const NO_PROGRESS = {
  state: 'unknown',
  attempts: 0,
  isHeardThroughServer: false,
  isTesting: false,
  guess: 'none',
  guessesSent: 0,
} as const;

function natInWords(client: Client, mayMeet: boolean): string {
  const mapped = client.mapped === undefined ? '' : `, mapped to ${formatEndpoint(client.mapped)}`;
  return `NAT ${client.nat}${mapped}${doubtsOf(client, mayMeet)}`;
}

function doubtsOf({ nat, portMapping, symmetricNatRuledOut }: Client, mayMeet: boolean): string {
  if (nat === 'symmetric' && portMapping !== undefined)
    return ' (another for each destination, but for the port that the gateway has opened)';
  if (nat === 'symmetric' && mayMeet)
    return ' (another for each destination: peers that nothing else reaches are reached via your relay)';
  if (nat === 'symmetric')
    return ' (another for each destination: no peers behind symmetric NATs, unless both count their ports up)';
  return symmetricNatRuledOut ? '' : ' (a symmetric NAT could not be ruled out)';
}

/** Why the tunnel of a client with this wish gets no default route; nothing where it gets one, or is not to. */
function sayWhoHasTheDefault({ defaultRoute, interface: own = '' }: ClientSettings): void {
  const { network } = kernelPorts();
  if (defaultRoute === 'auto' && network.hasNativeIpv6(own)) {
    say(
      'this host has native IPv6: only 2001::/32 goes through the tunnel (--default-route sends all); ' +
        '"teredo host-relay" would do for that',
    );
    return;
  }
  const other = defaultRoute === 'never' ? undefined : network.otherTeredoDefault(own);
  if (other === undefined) return;
  say(
    `another Teredo client (${other}) has the default route: only 2001::/32 goes through "${own}" until it ends`,
  );
}
