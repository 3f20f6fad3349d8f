/**
 * Two relays and a router, all with BIRD and the files of packaging/bird/. For each fault of the relay in use, the router takes the other one,
 * and pings between a client behind a NAT and a native host flow again soon.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { Bird } from '../support/bird.ts';
import { proveKernelPath } from '../support/carried.ts';
import { IS_ALL } from '../support/extent.ts';
import { PROGRAM, nameOf, startClient, startServer, teredoAddress } from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';
import { SteadyTraffic } from '../support/steady-traffic.ts';

const MOST_MS = 300;
/** A silent link without BFD: the hold time of the session, and the client's next attempt to find a relay. */
const MOST_WITHOUT_BFD_MS = 9_000 + 4_000;

const DROP_IN = readFileSync(new URL('../../packaging/bird/several-relays.conf', import.meta.url), 'utf8');
const UNIT = {
  store: inDropIn('FileDescriptorStoreMax'),
  watchdog: inDropIn('WatchdogSec'),
  pause: inDropIn('RestartSec'),
};

type Path = 'user' | 'kernel';

interface Relay {
  readonly host: Namespace;
  readonly bird: Bird;
  readonly role: ManagedRole;
}

/** What happens to the relay in use. */
interface Fault {
  readonly happen: (relay: Relay, router: Namespace) => void;
  /** Further arguments of the relays. */
  readonly args?: readonly string[];
  readonly bfd?: boolean;
  /** Whether the service manager starts the relay again. */
  readonly returns?: boolean;
  /** The longest pause of the pings that is allowed (ms). */
  readonly mostMs?: number;
  readonly mostLost?: number;
}

const FAULTS: Readonly<Record<string, Fault>> = {
  'kill -9': { happen: ({ role }) => void process.kill(role.pid, 'SIGKILL'), returns: true },
  SIGTERM: { happen: ({ role }) => void process.kill(role.pid, 'SIGTERM') },
  drain: { happen: ({ host }) => void drain(host), mostLost: 0 },
  // As for an upgrade.
  'restart with --drain': {
    args: ['--drain', '2s'],
    happen: ({ role }) => void role.restart(),
    returns: true,
    mostLost: 0,
  },
  'silent link': { happen: silence },
  'silent link without BFD': { happen: silence, bfd: false, mostMs: MOST_WITHOUT_BFD_MS },
};
const HANG: Fault = { happen: ({ role }) => void process.kill(role.pid, 'SIGSTOP'), returns: true };

describe.runIf(IS_ALL)('two relays', () => {
  test.for(Object.entries(FAULTS))('kernel path: %s', ([name, fault]) => check('kernel', name, fault));
  test('kernel path: the process hangs', () => check('kernel', 'hang', HANG));
  test('user path: kill -9', () => check('user', 'kill -9', FAULTS['kill -9']!));
  test('user path: the process hangs', () => check('user', 'hang', HANG));
});

async function check(path: Path, name: string, fault: Fault): Promise<void> {
  await using network = new Network();
  const traffic = await network.start(path, fault);
  const flowsBy = async (relay: number, since: number, after: string): Promise<void> => {
    const moved = await network.uses(relay);
    for (const one of traffic) await one.flowsFrom(moved);
    const losses = traffic.map((one) => one.lossesSince(since));
    const words = losses.map(({ longestPauseMs, lost }) => `${longestPauseMs.toFixed(0)} ms, ${lost} lost`);
    process.stdout.write(`${path}, ${after}: router ${moved - since} ms; pings ${words.join('; ')}\n`);
    for (const { longestPauseMs, lost } of losses) {
      expect(longestPauseMs).toBeLessThan(fault.mostMs ?? MOST_MS);
      expect(lost).toBeLessThanOrEqual(fault.mostLost ?? Infinity);
    }
  };
  const since = Date.now();
  fault.happen(network.relays[0]!, network.router);
  await flowsBy(2, since, name);
  if (fault.returns === true) await flowsBy(1, Date.now(), `return after ${name}`);
}

class Network implements AsyncDisposable {
  readonly relays: Relay[] = [];
  private readonly net = new Internet();
  private readonly birds: Bird[] = [];

  /** The lab's relay host is the router here, with a link to each relay. */
  get router(): Namespace {
    return this.net.relay;
  }

  /** Resolves with pings in both directions, by the first relay. */
  async start(path: Path, { bfd = true, args = [] }: Fault): Promise<readonly SteadyTraffic[]> {
    const { net } = this;
    const { client } = net.site('a', 'port-restricted');
    const change = (text: string): string => (bfd ? text : text.replace('bfd on;', ''));
    await startServer(net.server, SERVER_ADDRESS);
    for (const number of [1, 2])
      this.relays.push(await this.addRelay(number, ['--data-path', path, ...args], change));
    this.birds.push(new Bird(this.router, 'teredo-router.conf', {}, change));
    await this.uses(1);
    await startClient(client, SERVER_ADDRESS, '--data-path', path);
    const address = await teredoAddress(client);
    if (path === 'kernel') await proveKernelPath(client, NATIVE_ADDRESS, this.relays[0]!.host);
    return await SteadyTraffic.between('pings', [client, address], [net.native, NATIVE_ADDRESS]);
  }

  /** Resolves once the router sends 2001::/32 to this relay, with the time of that. */
  async uses(relay: number): Promise<number> {
    const route = (): string => this.router.ip('-6', 'route', 'show', '2001::/32');
    await until(`a route to relay ${relay}`, () => route().includes(`dev relay-${relay}`), 30_000, 5);
    return Date.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]();
    for (const bird of this.birds) bird[Symbol.dispose]();
  }

  private async addRelay(
    number: number,
    options: readonly string[],
    change: (text: string) => string,
  ): Promise<Relay> {
    const { net, router } = this;
    const [name, address, network] = [`relay-${number}`, `192.0.2.20${number}`, `2001:db8:1${number}`];
    const host = net.lab.host(name);
    net.attach(host, 'wan', address);
    net.lab.wire(router, name, [`${network}::1/64`], host, 'v6', [`${network}::2/64`]);
    host.sysctl('net.ipv6.conf.all.forwarding', '1');
    host.ip('-6', 'route', 'add', 'default', 'via', `${network}::1`);
    const values = {
      'router id': address,
      OWN_ADDRESS: `${network}::2`,
      ROUTER_ADDRESS: `${network}::1`,
      PRIORITY: String(10 * number),
    };
    const bird = new Bird(host, 'teredo-relay.conf', values, change);
    this.birds.push(bird);
    const args = ['--address', address, ...options];
    return { host, bird, role: await ManagedRole.start(host, 'relay', args, undefined, UNIT) };
  }
}

function drain(host: Namespace): string {
  return host.execute(process.execPath, PROGRAM, 'drain', nameOf(host, 'relay'));
}

/** Nothing passes between the router and the first relay, but both interfaces stay up. */
function silence(_: Relay, router: Namespace): void {
  router.nft(`table ip6 silence {
    chain in { type filter hook prerouting priority raw; iifname relay-1 drop; }
    chain out { type filter hook postrouting priority raw; oifname relay-1 drop; }
  }`);
}

function inDropIn(name: string): number {
  return Number(new RegExp(`^${name}=(.*)$`, 'm').exec(DROP_IN)![1]);
}
