/**
 * Three servers with the same addresses and keys behind a router that shares flows among them (ECMP), with BIRD and the files of packaging/bird/.
 * Clients need not know how many there are, and notice nothing when one is killed.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, SERVER_SECONDARY, ping, until } from '../../src/lab/index.ts';
import type { Namespace, NatBehaviour, Running } from '../../src/lab/index.ts';
import { Bird } from '../support/bird.ts';
import { IS_ALL } from '../support/extent.ts';
import { spawnTeredo, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const NATS: readonly NatBehaviour[] = [
  'port-restricted',
  'address-restricted',
  'port-restricted',
  'full-cone',
  'symmetric-sequential',
  'port-restricted',
];
const MOST_MS = 300;
const COMMON = [SERVER_ADDRESS, SERVER_SECONDARY];
const DROP_IN = readFileSync(new URL('../../packaging/bird/several-servers.conf', import.meta.url), 'utf8');

interface Server {
  readonly number: number;
  readonly host: Namespace;
  readonly running: Running;
}

test.runIf(IS_ALL)(
  'clients qualify with their keys at any of three servers, reach each other, and notice nothing when one is killed',
  async () => {
    await using network = new Network();
    const servers = await network.start();
    for (const { host } of servers)
      expect(await statusOf(host, 'server')).toMatchObject({ dataPath: { inUse: 'kernel' } });

    const clients = await network.startClients(NATS);
    await eachReaches(clients, 1);
    const work = await Promise.all(servers.map(async ({ host }) => await forwardedBy(host)));
    process.stdout.write(`bubbles forwarded by each server: ${work.join(', ')}\n`);
    expect(work.filter((one) => one > 0).length).toBeGreaterThan(1);

    const busiest = servers[work.indexOf(Math.max(...work))]!;
    const since = Date.now();
    await network.kill(busiest);
    const tookMs = Date.now() - since;
    process.stdout.write(`server ${busiest.number} killed: its flows moved within ${tookMs} ms\n`);
    expect(tookMs).toBeLessThan(MOST_MS);
    // Pairs without contact so far, which need a server.
    await eachReaches(clients, 2);
    await network.startClients(['port-restricted', 'port-restricted']);
  },
);

/** Each client pings the one that is `distance` places behind it in the list. */
async function eachReaches(clients: readonly Namespace[], distance: number): Promise<void> {
  const addresses = await Promise.all(clients.map((client) => teredoAddress(client)));
  const replies = clients.map((client, i) =>
    ping(client, addresses[(i + distance) % clients.length]!, 10_000),
  );
  const times = await Promise.all(replies);
  process.stdout.write(`first replies: ${times.map((one) => one?.toFixed(1)).join(', ')} ms\n`);
  expect(times).not.toContain(undefined);
}

class Network implements AsyncDisposable {
  private readonly net = new Internet();
  private readonly birds: Bird[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), 'teredo-keys-'));
  private clients = 0;

  /** The lab's server host is the router here, and answers for the common addresses on the backbone. */
  private get router(): Namespace {
    return this.net.server;
  }

  async start(): Promise<readonly Server[]> {
    const { net, router } = this;
    router.ip('address', 'flush', 'dev', 'wan');
    router.ip('address', 'add', '203.0.113.1/24', 'dev', 'wan');
    router.ipBatch('route add 198.51.100.0/24 dev wan', 'route add 192.0.2.0/24 dev wan');
    router.sysctl('net.ipv4.conf.wan.proxy_arp', '1');
    router.sysctl('net.ipv4.ip_forward', '1');
    router.sysctl('net.ipv4.fib_multipath_hash_policy', '1');
    const clients = Array.from({ length: 10 }, (_, i) => `client-${i} secret-of-${i}\n`);
    writeFileSync(this.keys, clients.join(''), { mode: 0o600 });
    const servers: Server[] = [];
    for (const number of [1, 2, 3]) {
      const host = net.lab.host(`server-${number}`);
      net.lab.wire(router, `server-${number}`, [`10.9.${number}.1/24`], host, 'wan', [`10.9.${number}.2/24`]);
      for (const address of COMMON) host.ip('address', 'add', `${address}/32`, 'dev', 'lo');
      host.ip('route', 'add', 'default', 'via', `10.9.${number}.1`);
      const values = {
        'router id': `10.9.${number}.2`,
        OWN_ADDRESS: `10.9.${number}.2`,
        ROUTER_ADDRESS: `10.9.${number}.1`,
      };
      this.birds.push(new Bird(host, 'teredo-server.conf', values));
      const args = ['--data-path', 'kernel', '--no-native', '--keys', this.keys];
      servers.push({ number, host, running: await startServer(host, SERVER_ADDRESS, ...args) });
      asServiceManager(host, 'ExecStartPost');
    }
    this.birds.push(new Bird(router, 'teredo-router.conf'));
    for (const { number } of servers) await this.uses(number, true);
    return servers;
  }

  /** Adds clients with keys of their own, each behind a NAT of its own; resolves when they are qualified. */
  async startClients(nats: readonly NatBehaviour[]): Promise<readonly Namespace[]> {
    const clients = nats.map((nat) => {
      const number = this.clients++;
      const { client } = this.net.site(String(number), nat);
      const secret = join(this.folder, `secret-${number}`);
      writeFileSync(secret, `secret-of-${number}\n`, { mode: 0o600 });
      const key = ['--client-id', `client-${number}`, '--secret-file', secret];
      spawnTeredo(client, 'client', '--server', SERVER_ADDRESS, ...key);
      return client;
    });
    await Promise.all(clients.map((client) => teredoAddress(client)));
    return clients;
  }

  /** Kills a server; resolves when the router sends nothing to it. */
  async kill({ number, host, running }: Server): Promise<void> {
    running.kill('SIGKILL');
    await running.exited;
    asServiceManager(host, 'ExecStopPost');
    await this.uses(number, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]();
    for (const bird of this.birds) bird[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }

  private get keys(): string {
    return join(this.folder, 'keys');
  }

  private async uses(server: number, wanted: boolean): Promise<void> {
    const look = (): boolean =>
      COMMON.every(
        (address) => this.router.ip('route', 'show', address).includes(`dev server-${server}`) === wanted,
      );
    await until(`routes with or without server ${server}`, look, 30_000, 5);
  }
}

/** Runs these commands of the drop-in, as systemd does. */
function asServiceManager(host: Namespace, when: 'ExecStartPost' | 'ExecStopPost'): void {
  const values: Readonly<Record<string, string>> = { ADDRESS: SERVER_ADDRESS, SECOND: SERVER_SECONDARY };
  for (const [, command] of DROP_IN.matchAll(new RegExp(`^${when}=\\+-?ip (.*)$`, 'gm')))
    host.ip(...command!.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => values[name]!).split(' '));
}

async function forwardedBy(host: Namespace): Promise<number> {
  const status = (await statusOf(host, 'server'))!;
  const { counters } = status['dataPath'] as { readonly counters: Readonly<Record<string, number>> };
  return counters['forwardedToClients']!;
}
