/**
 * Two relays announce 2001::/32, and a router of the native Internet sends it to one of them. When that changes, or a relay dies, traffic between a
 * client and a native host goes by the other relay within 0.3 s of the router's change, in both directions.
 */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { proveKernelPath } from '../support/carried.ts';
import { IS_ALL } from '../support/extent.ts';
import { startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';
import { SteadyTraffic } from '../support/steady-traffic.ts';
import type { Kind } from '../support/steady-traffic.ts';

const MOST_MS = 300;
/** The router has a link of its own to each relay. */
const RELAYS = [
  { address: '192.0.2.201', network: '2001:db8:11' },
  { address: '192.0.2.202', network: '2001:db8:12' },
] as const;

type Fault = 'the route moves' | 'the relay is killed';

interface Relay {
  readonly host: Namespace;
  readonly address: string;
  readonly network: string;
  running: Running;
}

const CASES: readonly (readonly ['user' | 'kernel', Fault, Kind])[] = [
  ['user', 'the relay is killed', 'datagrams'],
  ['kernel', 'the relay is killed', 'datagrams'],
  ['kernel', 'the route moves', 'pings'],
  ['user', 'the route moves', 'pings'],
  ['user', 'the route moves', 'datagrams'],
  ['kernel', 'the route moves', 'datagrams'],
  ['user', 'the relay is killed', 'pings'],
  ['kernel', 'the relay is killed', 'pings'],
];

test.each(IS_ALL ? CASES : CASES.slice(1, 2))(
  'path %s, %s: %s flow in both directions soon after the change',
  async (path, fault, kind) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const options = ['--data-path', path];
    await startServer(net.server, SERVER_ADDRESS);
    const relays: Relay[] = [];
    for (const [i, { address, network }] of RELAYS.entries()) {
      const host = plugIn(net, `relay-${i + 1}`, address, network);
      relays.push({ host, address, network, running: await startRelay(host, address, ...options) });
    }
    let [used, other] = relays as [Relay, Relay];
    routeTo(net.relay, used);
    await startClient(site.client, SERVER_ADDRESS, ...options);
    const address = await teredoAddress(site.client);
    if (path === 'kernel') await proveKernelPath(site.client, NATIVE_ADDRESS, used.host);

    const traffic = await SteadyTraffic.between(kind, [site.client, address], [net.native, NATIVE_ADDRESS]);
    // Several times in quick succession: the client has just tested the path that it has to leave.
    const delays: number[] = [];
    for (let i = 0; i < 3; i++) {
      if (fault === 'the relay is killed') {
        used.running.kill('SIGKILL');
        await used.running.exited;
      }
      const changedAt = Date.now();
      routeTo(net.relay, other);
      delays.push(...(await Promise.all(traffic.map((one) => one.flowsFrom(changedAt)))));
      if (fault === 'the relay is killed')
        used.running = await startRelay(used.host, used.address, ...options);
      [used, other] = [other, used];
    }
    process.stdout.write(`${path}, ${fault}, ${kind}: ${delays.map(Math.round).join(', ')} ms\n`);
    expect(Math.max(...delays)).toBeLessThan(MOST_MS);
  },
);

/** The lab's relay host is the router here. */
function plugIn(net: Internet, name: string, address: string, network: string): Namespace {
  const host = net.lab.host(name);
  net.attach(host, 'wan', address);
  net.lab.wire(net.relay, name, [`${network}::1/64`], host, 'v6', [`${network}::2/64`]);
  host.sysctl('net.ipv6.conf.all.forwarding', '1');
  host.ip('-6', 'route', 'add', 'default', 'via', `${network}::1`);
  return host;
}

function routeTo(router: Namespace, { network }: Relay): void {
  router.ip('-6', 'route', 'replace', '2001::/32', 'via', `${network}::2`);
}
