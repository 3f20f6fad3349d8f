/**
 * A gateway that opens ports: miniupnpd in the NAT of a site.
 *
 *     client 10.N.0.2 --- miniupnpd, NAT 198.52.100.N --- backbone
 */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, execute, timeToFirstReply, until } from '../../src/lab/index.ts';
import type { Site } from '../../src/lab/index.ts';
import { eventually } from '../support/eventually.ts';
import { everyNth } from '../support/extent.ts';
import { Gateway } from '../support/miniupnpd.ts';
import { KINDS, mapped, ownStateDirectory } from '../support/port-mapping.ts';
import { stopwatch, timeToEnd } from '../support/stopwatch.ts';
import {
  PROGRAM,
  nameOf,
  peersOf,
  spawnTeredo,
  startClient,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';

const state = ownStateDirectory();

test.for(everyNth(2, KINDS))(
  '$protocol: the port is open while the client runs, status says so, and SIGTERM closes it',
  async ({ protocol, options, lifetimeSeconds }) => {
    await using net = new Internet();
    const site = net.site('a', 'symmetric-random', { undocumented: true });
    await using gateway = await Gateway.start(site, options);
    await startServer(net.server, SERVER_ADDRESS);
    const client = await startClient(site.client, SERVER_ADDRESS);
    const { port, portMapping } = await mapped(site);
    expect(portMapping).toEqual({
      protocol,
      external: `${site.address}:${port}`,
      ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
    });
    const name = nameOf(site.client, 'client');
    const said = execute(process.execPath, [PROGRAM, 'status', name]);
    expect(said).toMatch(new RegExp(`the gateway has opened ${site.address}:${port}, by ${protocol}`, 'i'));
    await opens(gateway, `${port} to ${site.network}.2:${port}`);
    expect(leftIn(state, site)).toHaveLength(1);
    expect(gateway.hasMapped).toBe(true);

    expect(await client.stop()).toBe(0);
    expect(gateway.mappings()).toEqual([]);
    expect(leftIn(state, site)).toEqual([]);
  },
);

test('two clients behind symmetric NATs of random ports reach each other if gateways open their ports', async () => {
  await using net = new Internet();
  const siteA = net.site('a', 'symmetric-random', { undocumented: true });
  const siteB = net.site('b', 'symmetric-random', { undocumented: true });
  await using _a = await Gateway.start(siteA);
  await using _b = await Gateway.start(siteB, { natPmp: false });
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(siteA.client, SERVER_ADDRESS);
  await startClient(siteB.client, SERVER_ADDRESS);
  const addressA = await teredoAddress(siteA.client);
  const addressB = await teredoAddress(siteB.client);
  await mapped(siteA);
  await mapped(siteB);
  expect((await statusOf(siteA.client, 'client'))!['nat']).toBe('symmetric');
  expect(await timeToFirstReply(siteA.client, addressB, 4_000), 'A to B').toBeLessThan(4_000);
  expect(await timeToFirstReply(siteB.client, addressA, 4_000), 'B to A').toBeLessThan(4_000);
  // By one flow through one of the gateways: its other end is a port that the other NAT has chosen.
  await until(
    'agreement on one flow',
    async () => {
      const isByGateway = [await isReachedByGateway(siteA, siteB), await isReachedByGateway(siteB, siteA)];
      return isByGateway[0] !== isByGateway[1] || undefined;
    },
    2_000,
  );
});

/** The rule of `netcheck` (src/cli/netcheck/reach.ts): an open port on one side is enough. */
test.for(
  everyNth(
    3,
    (['symmetric-random', 'symmetric-sequential', 'port-restricted'] as const).flatMap((behaviour) =>
      (['A', 'B'] as const).map((first) => ({ behaviour, first })),
    ),
  ),
)(
  'A behind a symmetric NAT of random ports with a gateway that opens its port, B behind a $behaviour one without, $first begins',
  async ({ behaviour, first }) => {
    await using net = new Internet();
    const siteA = net.site('a', 'symmetric-random', { undocumented: true });
    const siteB = net.site('b', behaviour, { undocumented: true });
    await using _a = await Gateway.start(siteA);
    await startServer(net.server, SERVER_ADDRESS);
    await startClient(siteA.client, SERVER_ADDRESS);
    await startClient(siteB.client, SERVER_ADDRESS);
    const addressA = await teredoAddress(siteA.client);
    const addressB = await teredoAddress(siteB.client);
    await mapped(siteA);
    const attempts = [
      ['A to B', siteA.client, addressB],
      ['B to A', siteB.client, addressA],
    ] as const;
    for (const [way, from, to] of first === 'A' ? attempts : attempts.toReversed())
      expect(await timeToFirstReply(from, to, 4_000), way).toBeLessThan(4_000);
  },
);

/** Whether the client of one site sends to the address and port that the gateway of the other has mapped. */
async function isReachedByGateway(from: Site, to: Site): Promise<boolean> {
  const { portMapping } = await mapped(to);
  const { peers } = await peersOf(from.client, 'client');
  return peers.some((peer) => peer.mapped === (portMapping as { external: string }).external);
}

test.for(everyNth(2, KINDS))(
  '$protocol: the mapping of a killed client is deleted by the next client',
  async ({ options }) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { undocumented: true });
    await using gateway = await Gateway.start(site, options);
    await startServer(net.server, SERVER_ADDRESS);
    const killed = await startClient(site.client, SERVER_ADDRESS, '--port', '40001');
    await mapped(site);
    killed.kill('SIGKILL');
    await killed.exited;
    await opens(gateway, `40001 to ${site.network}.2:40001`);

    const next = await startClient(site.client, SERVER_ADDRESS, '--port', '40002');
    await mapped(site);
    await opens(gateway, `40002 to ${site.network}.2:40002`);
    await next.stop();
    expect(gateway.mappings()).toEqual([]);
  },
);

test("the mapping follows the client's address", async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted', { undocumented: true });
  await using gateway = await Gateway.start(site);
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS, '--port', '40001');
  await mapped(site);
  site.client.ip('addr', 'flush', 'dev', 'eth', 'scope', 'global');
  site.client.ip('addr', 'add', `${site.network}.77/24`, 'dev', 'eth');
  site.client.ip('route', 'replace', 'default', 'via', `${site.network}.1`);
  // With another port: the gateway keeps the old one for the address that has left, and does not accept requests for it any more.
  const there = (): boolean => gateway.mappings().some((one) => one.endsWith(`${site.network}.77:40001`));
  await until('a mapping to the new address', () => there() || undefined);
  await client.stop();
  expect(there()).toBe(false);
});

test('--no-port-mapping sends no request to a gateway', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted', { undocumented: true });
  await using gateway = await Gateway.start(site);
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS, '--no-port-mapping');
  await teredoAddress(site.client);
  expect(gateway.output).not.toContain(`${site.network}.2`);
});

test('a gateway that drops requests delays nothing for long, and causes no warning', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  site.nat.nft(`
    table inet silent {
      chain input { type filter hook input priority 0; policy accept; iifname "lan" drop; }
    }`);
  await startServer(net.server, SERVER_ADDRESS);
  const client = spawnTeredo(site.client, 'client', '--server', SERVER_ADDRESS);
  const watch = stopwatch(() => [client.pid]);
  await client.waitFor(/qualified/);
  expect(watch()).toBeLessThan(5_000);
  expect(client.output).not.toMatch(/warning|gateway/);
  // While the gateway is still being asked.
  expect(await timeToEnd(client.pid, client.stop())).toBeLessThan(1_500);
});

test('a manually forwarded port works behind a symmetric NAT', async () => {
  await using net = new Internet();
  const siteA = net.site('a', 'symmetric-random');
  const siteB = net.site('b', 'symmetric-random'); // its ports cannot be guessed
  siteA.nat.nft(`
    table ip forwarding {
      chain prerouting {
        type nat hook prerouting priority -110; policy accept;
        iifname "wan" udp dport 40000 dnat to ${siteA.network}.2
      }
    }`);
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(siteA.client, SERVER_ADDRESS, '--port', '40000');
  await startClient(siteB.client, SERVER_ADDRESS);
  const addressA = await teredoAddress(siteA.client);
  const addressB = await teredoAddress(siteB.client);
  expect(await statusOf(siteA.client, 'client')).toMatchObject({ nat: 'symmetric' });
  expect(await timeToFirstReply(siteB.client, addressA, 4_000), 'B to A').toBeLessThan(4_000);
  expect(await timeToFirstReply(siteA.client, addressB, 4_000), 'A to B').toBeLessThan(4_000);
});

/** It has this mapping alone. It removes a mapping and adds it again for a request that came twice: a client that waits long repeats it. */
async function opens(gateway: Gateway, mapping: string): Promise<void> {
  await eventually(() => expect(gateway.mappings()).toEqual([mapping]));
}

function leftIn(directory: string, site: Site): string[] {
  return readdirSync(directory).filter((name) => name.startsWith(nameOf(site.client, 'client')));
}
