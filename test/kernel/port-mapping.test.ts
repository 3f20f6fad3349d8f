/**
 * A gateway that opens ports: miniupnpd in the NAT of a site.
 *
 *     client 10.N.0.2 --- miniupnpd, NAT 198.52.100.N --- backbone
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, execute, timeToFirstReply, until } from '../../src/lab/index.ts';
import type { Namespace, Site } from '../../src/lab/index.ts';
import { Gateway } from '../support/miniupnpd.ts';
import { answerSearches } from '../support/ssdp-neighbour.ts';
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

const state = mkdtempSync(join(tmpdir(), 'teredo-port-mapping-'));
const before = process.env['STATE_DIRECTORY'];
process.env['STATE_DIRECTORY'] = state; // handed on to the clients

afterAll(() => {
  if (before === undefined) delete process.env['STATE_DIRECTORY'];
  else process.env['STATE_DIRECTORY'] = before;
  rmSync(state, { recursive: true });
});

/** NAT-PMP alone cannot be had from miniupnpd, which speaks PCP then too: src/io/port-mapping/ tests it. */
const KINDS = [
  { protocol: 'pcp', options: {}, lifetimeSeconds: 7_200 },
  { protocol: 'nat-pmp', options: { withoutPcp: true, upnp: false }, lifetimeSeconds: 7_200 },
  { protocol: 'upnp', options: { natPmp: false }, lifetimeSeconds: undefined },
] as const;

test.for(KINDS)(
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
    expect(said).toMatch(new RegExp(`port mapping +${site.address}:${port}, by ${protocol}`, 'i'));
    expect(gateway.mappings()).toEqual([`${port} to ${site.network}.2:${port}`]);
    expect(leftIn(state, site)).toHaveLength(1);
    expect(gateway.hasMapped).toBe(true);

    expect(await client.stop()).toBe(0);
    expect(gateway.mappings()).toEqual([]);
    expect(leftIn(state, site)).toEqual([]);
  },
);

test('two clients behind symmetric NATs of random ports reach each other where gateways open them', async () => {
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
  // By one flow, which goes through one of the gateways: its other end is a port that the other NAT has made up.
  await until(
    'agreement on one flow',
    async () => {
      const isByGateway = [await isReachedByGateway(siteA, siteB), await isReachedByGateway(siteB, siteA)];
      return isByGateway[0] !== isByGateway[1] || undefined;
    },
    2_000,
  );
});

/** As `netcheck` has it (src/cli/netcheck/reach.ts): an open port on one side is enough. */
test.for(
  (['symmetric-random', 'symmetric-sequential', 'port-restricted'] as const).flatMap((behaviour) =>
    (['A', 'B'] as const).map((first) => ({ behaviour, first })),
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

/** Whether the client of one site sends to that of the other by the pair which the other's gateway has mapped. */
async function isReachedByGateway(from: Site, to: Site): Promise<boolean> {
  const { portMapping } = await mapped(to);
  const { peers } = await peersOf(from.client, 'client');
  return peers.some((peer) => peer.mapped === (portMapping as { external: string }).external);
}

test.for(KINDS)(
  '$protocol: what a client that was killed has left is taken away by the next',
  async ({ options }) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { undocumented: true });
    await using gateway = await Gateway.start(site, options);
    await startServer(net.server, SERVER_ADDRESS);
    const killed = await startClient(site.client, SERVER_ADDRESS, '--port', '40001');
    await mapped(site);
    killed.kill('SIGKILL');
    await killed.exited;
    expect(gateway.mappings()).toEqual([`40001 to ${site.network}.2:40001`]);

    const next = await startClient(site.client, SERVER_ADDRESS, '--port', '40002');
    await mapped(site);
    expect(gateway.mappings()).toEqual([`40002 to ${site.network}.2:40002`]);
    await next.stop();
    expect(gateway.mappings()).toEqual([]);
  },
);

describe('a gateway that was restarted, and has forgotten all', () => {
  /** It asks within 5 s (RFC 6886 section 3.7), and UPnP looks for the gateway anew before it does. */
  const WITHIN_MS = 8_000;

  /** Of a gateway that had run for less than 2 s (RFC 6887 section 8.5) nobody can tell that it has begun anew. */
  async function untilDistinct(): Promise<void> {
    const since = performance.now();
    await until('an epoch of some seconds', () => performance.now() - since > 4_000 || undefined);
  }

  test.for(KINDS)('$protocol: the port is open again within seconds', async ({ protocol, options }) => {
    await using net = new Internet();
    const site = net.site('a', 'symmetric-random', { undocumented: true });
    await using gateway = await Gateway.start(site, options);
    await startServer(net.server, SERVER_ADDRESS);
    const client = await startClient(site.client, SERVER_ADDRESS);
    const { port } = await mapped(site);
    await untilDistinct();
    await gateway.breakDown();
    expect(gateway.mappings()).toEqual([]);
    await gateway.run();
    const isOpen = (): true | undefined =>
      gateway.mappings().includes(`${port} to ${site.network}.2:${port}`) || undefined;
    await until('the mapping again', isOpen, WITHIN_MS);
    await until('status', async () => {
      const { portMapping } = await mapped(site);
      return (portMapping as { protocol: string }).protocol === protocol || undefined;
    });
    await client.stop();
    expect(gateway.mappings()).toEqual([]);
  });

  test('announcements of the gateway are heard, those of others are not, nor what is sent to this host alone', async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const neighbour = net.lab.host('neighbour');
    net.join(site, neighbour, 7);
    const module = fileURLToPath(new URL('../../dist/io/port-mapping/announcements.js', import.meta.url));
    const listening = site.client.spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { listenToGateway } from '${module}';
       listenToGateway({ gateway: 0x0a010001, source: 0x0a010002 }, (heard) => console.log('heard ' + heard));`,
    ]);
    const gateway = `${site.network}.1`;
    const heard = (what: string): boolean => listening.output.includes(`heard ${what}\n`);
    const groups = ['224.0.0.1:5350', '239.255.255.250:1900'];
    await until('it listens', async () => {
      for (const [i, group] of groups.entries()) await announce(site.nat, gateway, group, `first-${i}`);
      return (heard('first-0') && heard('first-1')) || undefined;
    });
    for (const group of groups) await announce(neighbour, `${site.network}.7`, group, 'neighbour');
    for (const port of [5350, 1900]) await announce(site.nat, gateway, `${site.network}.2:${port}`, 'alone');
    await announce(site.nat, gateway, groups[0]!, 'x'.repeat(1_200));
    for (const [i, group] of groups.entries()) await announce(site.nat, gateway, group, `last-${i}`);
    await until('the last ones', () => (heard('last-0') && heard('last-1')) || undefined);
    expect(listening.output).not.toMatch(/neighbour|alone|xx/);
    await listening.stop();
  });

  test('an announcement of NAT-PMP that does not go on where the last answer was', async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { undocumented: true });
    await using gateway = await Gateway.start(site, { upnp: false });
    await startServer(net.server, SERVER_ADDRESS);
    const client = await startClient(site.client, SERVER_ADDRESS);
    await mapped(site);
    // A request that is repeated comes from the same port.
    const asked = (): number =>
      new Set([...gateway.output.matchAll(/PCP request received from ([\d.:]+)/g)].map(([, from]) => from))
        .size;
    const before = asked();
    const epoch = '10000000';
    for (let i = 0; i < 10; i++)
      await announce(site.nat, `${site.network}.1`, '224.0.0.1:5350', `hex:00800000${epoch}c6346401`);
    await until('it is asked', () => asked() > before || undefined, WITHIN_MS);
    await client.stop();
    expect(asked(), 'once, and at the end').toBe(before + 2);
  });

  async function announce(host: Namespace, from: string, to: string, what: string): Promise<void> {
    const [address, port] = to.split(':');
    const bytes = what.startsWith('hex:') ? `'${what.slice(4)}', 'hex'` : `'${what}'`;
    const send = `
      const socket = require('node:dgram').createSocket('udp4');
      socket.bind(0, '${from}', () => {
        socket.setMulticastInterface('${from}');
        socket.send(Buffer.from(${bytes}), ${port}, '${address}', () => socket.close());
      });`;
    expect(await host.spawn(process.execPath, ['-e', send]).exited).toBe(0);
  }

  test('where the NAT has another mapping for the client, the gateway is asked without having said a word', async () => {
    await using net = new Internet();
    const site = net.site('a', 'symmetric-random', { undocumented: true });
    await using gateway = await Gateway.start(site);
    site.client.nft(`
      table inet deaf {
        chain input { type filter hook input priority 0; policy accept; ip daddr { 224.0.0.1, 239.255.255.250 } drop; }
      }`);
    await startServer(net.server, SERVER_ADDRESS);
    const client = await startClient(site.client, SERVER_ADDRESS, '--refresh', '5');
    const { port } = await mapped(site);
    await gateway.breakDown();
    await gateway.run();
    const isOpen = (): true | undefined =>
      gateway.mappings().includes(`${port} to ${site.network}.2:${port}`) || undefined;
    await until('the mapping again', isOpen, 12_000);
    await client.stop();
  });
});

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
  // By another port: the gateway keeps that one for who has left, and cannot be asked from there any more.
  const there = (): boolean => gateway.mappings().some((one) => one.endsWith(`${site.network}.77:40001`));
  await until('a mapping to the new address', () => there() || undefined);
  await client.stop();
  expect(there()).toBe(false);
});

test('--no-port-mapping asks nobody', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted', { undocumented: true });
  await using gateway = await Gateway.start(site);
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS, '--no-port-mapping');
  await teredoAddress(site.client);
  expect(gateway.output).not.toContain(`${site.network}.2`);
});

describe('who else answers when a gateway is searched for', () => {
  /** Notes down whom a host begins to speak TCP with. */
  const WATCH = `
    table inet watch {
      set asked { type ipv4_addr; flags dynamic; }
      chain output { type filter hook output priority 0; policy accept; tcp flags syn update @asked { ip daddr }; }
    }`;
  /** Of a neighbour 10.1.0.7's answers. */
  const OF_OTHERS = [
    `http://${SERVER_ADDRESS}:80/`,
    'http://10.1.0.8/',
    'http://10.1.0.2:5000/',
    'http://127.0.0.1:5000/',
    `http://10.1.0.7@${SERVER_ADDRESS}/`,
    'http://10.1.0.7.example/',
  ];
  const askedByHttp = ({ client }: Site): string[] =>
    (/elements = \{(.*)\}/.exec(client.execute('nft', 'list', 'set', 'inet', 'watch', 'asked'))?.[1] ?? '')
      .split(',')
      .map((address) => address.trim())
      .filter((address) => address !== '');

  test('without an end, with places of others: the gateway is found, and nobody else asked', async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { undocumented: true });
    site.client.nft(WATCH);
    const neighbour = net.lab.host('neighbour');
    net.join(site, neighbour, 7);
    await answerSearches(neighbour, { locations: OF_OTHERS, isEndless: true });
    await startServer(net.server, SERVER_ADDRESS);
    // By the group only: to what is asked of itself it does not answer.
    site.nat.nft(`
      table inet deaf {
        chain input {
          type filter hook input priority 0; policy accept;
          ip daddr ${site.network}.1 udp dport { 1900, 5351 } drop
        }
      }`);
    await using _gateway = await Gateway.start(site, { natPmp: false });
    const client = await startClient(site.client, SERVER_ADDRESS);
    expect((await mapped(site)).portMapping).toMatchObject({ protocol: 'upnp' });
    await client.stop();
    expect(askedByHttp(site)).toEqual([`${site.network}.1`]);
  });

  test.for([
    ['at the neighbour that answers is asked', '10.1.0.7', ['http://10.1.0.7:5000/'], ['10.1.0.7']],
    ['at others is not', '10.1.0.7', OF_OTHERS, []],
    ['at the gateway, which a neighbour names, is not', '10.1.0.7', ['http://10.1.0.1:5000/'], []],
    ['of who is not on the link is not', '192.168.77.7', ['http://192.168.77.7:5000/'], []],
  ] as const)('without a gateway, a description %s', async ([, from, locations, asked]) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    site.client.nft(WATCH);
    const neighbour = net.lab.host('neighbour');
    net.join(site, neighbour, 7);
    neighbour.ip('addr', 'add', '192.168.77.7/24', 'dev', 'eth');
    const answering = await answerSearches(neighbour, { from, locations });
    await startServer(net.server, SERVER_ADDRESS);
    const check = site.client.spawn(process.execPath, [PROGRAM, 'netcheck', '--server', SERVER_ADDRESS]);
    expect(await check.exited).toBe(0);
    expect(answering.output).toMatch(/answered/);
    expect(askedByHttp(site)).toEqual(asked);
  });
});

test('a gateway that drops what it is asked delays nothing for long, and is no cause for a warning', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  site.nat.nft(`
    table inet silent {
      chain input { type filter hook input priority 0; policy accept; iifname "lan" drop; }
    }`);
  await startServer(net.server, SERVER_ADDRESS);
  const client = spawnTeredo(site.client, 'client', '--server', SERVER_ADDRESS);
  await client.waitFor(/qualified/, 5_000);
  expect(client.output).not.toMatch(/warning|gateway/);
  const started = performance.now();
  await client.stop(); // while it is still being asked
  expect(performance.now() - started).toBeLessThan(1_500);
});

test('a port of the user’s choice that is forwarded by hand works behind a symmetric NAT', async () => {
  await using net = new Internet();
  const siteA = net.site('a', 'symmetric-random');
  const siteB = net.site('b', 'symmetric-random'); // whose ports nobody could guess
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

/** The status of a site's client once its gateway has opened the port. */
async function mapped(site: Site) {
  return await until('a port mapping', async () => {
    const status = await statusOf(site.client, 'client');
    return status?.['portMapping'] === undefined ? undefined : status;
  });
}

function leftIn(directory: string, site: Site): string[] {
  return readdirSync(directory).filter((name) => name.startsWith(nameOf(site.client, 'client')));
}
