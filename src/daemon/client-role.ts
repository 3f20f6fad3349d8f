import { networkNamespace } from '../control/network-namespace.ts';
import type { ClientStatus, ContactStatus, PeerStatus } from '../control/status.ts';
import { CLIENT_LIMITS } from '../core/client/index.ts';
import type { PeerMeans, ServerCandidate } from '../core/client/index.ts';
import type { ClientState } from '../core/events.ts';
import type { UserWindow } from '../core/users/index.ts';
import type { PortFactory } from '../io/port-factory.ts';
import type { PortMapping, TunnelHost } from '../io/ports.ts';
import type { ClientSettings } from '../runtime/client-settings.ts';
import { Client } from '../runtime/client.ts';
import { ResolveAgain } from '../runtime/resolve-again.ts';
import { resolveServers } from '../runtime/servers.ts';
import type { KnownAddresses } from '../runtime/servers.ts';
import type { CLIENT_OPTIONS } from '../runtime/settings/client-options.ts';
import { limitsWith } from '../runtime/settings/limits.ts';
import type { Values } from '../runtime/settings/option.ts';
import type { ClientSnapshot } from '../runtime/status.ts';
import { formatEndpoint, formatIpv4, formatIpv6, mappedAddressOf } from '../wire/index.ts';
import type { Ipv4, Ipv6 } from '../wire/index.ts';
import type { GivenValues } from './configuration/layers.ts';
import { commonStatus, secondsSince } from './control-answers.ts';
import { dataPathStatus } from './data-path-status.ts';
import { EXIT } from './exit-codes.ts';
import { explainReason } from './explain.ts';
import type { LogFields } from './log-events.ts';
import { say, sayDataPath, sayTakenOver, sayWarning, sayWhyNotKernel } from './log.ts';
import { peerStatus } from './peer-status.ts';
import { portMappingInWords, portMappingStatus } from './port-mapping.ts';
import type { Role, RunningRole } from './run-role.ts';
import { withWords } from './state-in-words.ts';

/** Names are resolved before anything is opened. */
export type ResolvedSettings = ClientSettings & {
  readonly servers: readonly ServerCandidate[];
  /** The client of a private network: its routes and open ports are not those of this host. */
  readonly isGuest?: boolean;
};

export class ClientRole implements Role {
  private readonly client: Client;
  private readonly again: ResolveAgain;
  private readonly mayMeet: boolean;
  private readonly inbound: 'accept' | 'refuse';
  private lastState: ClientState | undefined;
  private stateSince = performance.now();
  private isExposureSaid = false;
  private saidAddress: string | undefined;

  constructor(
    settings: ResolvedSettings,
    resolve: () => Promise<ServerCandidate[]>,
    ports: PortFactory,
    running: RunningRole,
  ) {
    const client = new Client(settings, ports);
    this.client = client;
    this.mayMeet = settings.meet !== undefined;
    this.inbound = settings.inbound ?? 'accept';
    this.again = new ResolveAgain(client, settings.servers, resolve, ports.clock);
    client.on('state', (state, reason) => {
      this.noteState(state);
      if (state === 'qualified') {
        const address = client.toString();
        const words = `qualified: ${address}, ${natInWords(client.status(), this.mayMeet)}`;
        say('qualified', words, addressFields(address, client.status()));
        this.saidAddress = address;
        this.sayExposure(settings);
      } else if (reason === undefined) say('searching', 'looking for a server');
      else if (reason !== 'stopped') say(state, `${state}: ${explainReason(reason)}`, { reason });
    });
    for (const event of ['state', 'address', 'data-path'] as const) client.on(event, running.changed);
    client.on('default-route', (on) => {
      if (settings.isGuest === true) return;
      if (on) say('default-route', `default route through ${client.interfaceName}`, { on });
      else if (client.address !== undefined) say('default-route', 'no default route', { on });
    });
    client.on('address', (address) => {
      if (address !== undefined) this.sayChange(formatIpv6(address));
      if (address !== undefined && !client.status().defaultRoute)
        sayWhyNoDefaultRoute(settings, ports.tunnelHost);
    });
    client.on('port-mapping', sayPortMapping);
    client.on('data-path', sayDataPath);
    client.on('resumed', (ms) => {
      const seconds = Math.round(ms / 1_000);
      say('resumed', `this host was suspended for ${seconds} s: the mapping is checked`, { seconds });
    });
    client.on('warning', sayWarning);
    client.on('lost', (error) => running.end(EXIT.FAILED, error.message));
  }

  private noteState(state: ClientState): void {
    if (state !== this.lastState) this.stateSince = performance.now();
    this.lastState = state;
  }

  /** While it stays qualified: the NAT has given another mapping. Else the line of the qualification has the address. */
  private sayChange(address: string): void {
    const { client, saidAddress } = this;
    if (client.state !== 'qualified' || saidAddress === undefined || saidAddress === address) return;
    this.saidAddress = address;
    say(
      'address-changed',
      `the address has changed: ${address} (it was ${saidAddress}), ${natInWords(client.status(), this.mayMeet)}`,
      { ...addressFields(address, client.status()), before: saidAddress },
    );
  }

  /** Once: from the first qualification on. */
  private sayExposure({ inbound, isGuest }: ResolvedSettings): void {
    if (this.isExposureSaid || inbound === 'refuse' || isGuest === true) return;
    this.isExposureSaid = true;
    say(
      'reachable',
      `this host is now reachable from the whole IPv6 Internet at its Teredo address, whatever the NAT filters: ` +
        'filter incoming IPv6 with the firewall of this host, or start the client with --inbound refuse',
    );
  }

  /** The IPv4 address that the NAT gives the client; undefined while not qualified. */
  get mappedAddress(): Ipv4 | undefined {
    const { address } = this.client;
    return address === undefined ? undefined : mappedAddressOf(address, 0);
  }

  async start(): Promise<void> {
    await this.client.start();
    sayTakenOver(this.client.adoptedPeers);
    sayWhyNotKernel(this.client.dataPath);
  }

  async prepare(values: GivenValues, changed: ReadonlySet<string>): Promise<() => void> {
    const { servers, secondary, limits } = values as Values<typeof CLIENT_OPTIONS>;
    const known: KnownAddresses = new Map();
    const resolve = (warn: (message: string) => void = () => {}): Promise<ServerCandidate[]> =>
      resolveServers(servers, secondary, warn, known);
    const hasOthers = changed.has('servers') || changed.has('secondary');
    const candidates = hasOthers ? await resolve(sayWarning) : [];
    const whole = limitsWith(CLIENT_LIMITS, limits);
    return () => {
      if (changed.has('limits')) this.client.setLimits(whole);
      if (!hasOthers) return;
      this.client.setServers(candidates);
      this.again.follow(candidates, resolve);
    };
  }

  close(): Promise<void> {
    this.again.rest();
    return this.client.close();
  }

  status(name: string): ClientStatus {
    const now = this.client.status();
    const { state, reason, nat, server, roundTripMs, address, mapped, port, portMapping } = now;
    const status: ClientStatus = {
      ...commonStatus(name),
      role: 'client',
      state,
      stateSeconds: secondsSince(this.stateSince),
      ...(reason === undefined ? {} : { reason }),
      nat,
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
      port,
      ...(portMapping === undefined ? {} : { portMapping: portMappingStatus(portMapping) }),
      interface: now.interface ?? '',
      defaultRoute: now.defaultRoute,
      inbound: this.inbound,
      refreshIntervalSeconds: now.refreshIntervalMs / 1000,
      peers: now.peers,
      traffic: now.traffic,
      ...(now.workers.length > 1 ? { workers: now.workers } : {}),
      limitsReached: now.limitsReached,
      dataPath: dataPathStatus(now),
      counters: { ...now.counters, ...now.portCounters },
    };
    return withWords(status, askedServers(now));
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

  async gather(what: 'peers' | UserWindow): Promise<void> {
    if (what === 'peers') await this.client.gatherPeers();
  }

  peers(limit: number): { total: number; shown: Iterable<PeerStatus | undefined> } {
    const { trusted, unverified } = this.client.status().peers;
    return { total: trusted + unverified, shown: this.inStatus(limit) };
  }

  *means(): Generator<PeerMeans | undefined> {
    for (const peer of this.client.peersInSteps()) yield peer?.means;
  }

  /** Made one by one, while the client works on. */
  private *inStatus(limit: number): Generator<PeerStatus | undefined> {
    const { client } = this;
    let count = 0;
    if (limit === 0) return;
    for (const peer of client.peersInSteps()) {
      if (peer === undefined) {
        yield undefined;
        continue;
      }
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

/** The servers that were asked at their first address, by name and address. */
function askedServers({ serverResults }: ClientSnapshot): string[] {
  return serverResults
    .filter(({ solicitations }) => solicitations.length > 0)
    .map(({ name, primary }) => [name, formatIpv4(primary)])
    .map(([name, address]) => (name === undefined || name === address ? address! : `${name} (${address})`));
}

function addressFields(address: string, { nat, mapped, server }: ClientSnapshot): LogFields<'qualified'> {
  return {
    address,
    nat,
    mapped: mapped === undefined ? undefined : formatEndpoint(mapped),
    server: server === undefined ? undefined : (server.name ?? formatIpv4(server.primary)),
  };
}

function sayPortMapping(mapping: PortMapping | undefined): void {
  if (mapping === undefined) {
    say('port-mapping', 'the gateway maps the port no longer');
    return;
  }
  const status = portMappingStatus(mapping);
  say('port-mapping', `the gateway has opened ${portMappingInWords(status)}`, { mapped: status.external });
}

function natInWords(client: ClientSnapshot, mayMeet: boolean): string {
  const mapped = client.mapped === undefined ? '' : `, mapped to ${formatEndpoint(client.mapped)}`;
  return `NAT ${client.nat}${mapped}${doubtsOf(client, mayMeet)}`;
}

function doubtsOf({ nat, portMapping, symmetricNatRuledOut }: ClientSnapshot, mayMeet: boolean): string {
  if (nat === 'symmetric' && portMapping !== undefined)
    return ' (another for each destination, but for the port that the gateway has opened)';
  if (nat === 'symmetric' && mayMeet)
    return ' (another for each destination: peers that nothing else reaches are reached via your relay)';
  if (nat === 'symmetric')
    return ' (another for each destination: no peers behind symmetric NATs, unless both count their ports up)';
  return symmetricNatRuledOut ? '' : ' (a symmetric NAT could not be ruled out)';
}

/** Says why the tunnel gets no default route. Says nothing where it gets one, or where the user wants none. */
function sayWhyNoDefaultRoute(
  { defaultRoute = 'auto', interface: own = '' }: ClientSettings,
  tunnelHost: TunnelHost,
): void {
  if (defaultRoute === 'auto' && tunnelHost.hasNativeIpv6(own)) {
    say(
      'notice',
      'this host has native IPv6: only 2001::/32 goes through the tunnel (--default-route sends all); ' +
        '"teredo host-relay" would do for that',
    );
    return;
  }
  const other = defaultRoute === 'never' ? undefined : tunnelHost.otherTeredoDefault(own);
  if (other === undefined) return;
  say(
    'notice',
    `another Teredo client (${other}) has the default route: only 2001::/32 goes through "${own}" until it ends`,
  );
}
