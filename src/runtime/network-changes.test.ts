import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { seededEntropy, v4, v6 } from '../../test/support/client-rig.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { formatIpv6 } from '../wire/index.ts';
import { Client } from './client.ts';
import type { ClientSettings } from './client-settings.ts';
import { ALL_NATIVE, Relay } from './relay.ts';
import { Server } from './server.ts';

const ADDRESS = v4('192.0.2.10');
const [PRIMARY, SECONDARY] = [v4('203.0.113.120'), v4('203.0.113.121')];
const [ONE, OTHER] = [v6('2001:db8::1'), v6('2001:db8::2')];

function host() {
  const clock = new MemoryClock();
  const wire = new MemoryIpv4Network();
  return { clock, wire, ports: new MemoryPorts(wire, [ADDRESS], seededEntropy(1), clock) };
}

/** A client beside its server, ready to be started. */
async function clientRig(settings: Partial<ClientSettings> = {}) {
  const { clock, wire, ports } = host();
  const server = new Server(
    { address: PRIMARY, secondary: SECONDARY },
    new MemoryPorts(wire, [PRIMARY, SECONDARY], seededEntropy(2), clock),
  );
  onTestFinished(() => server.close());
  await server.start();
  const client = new Client(
    {
      servers: [{ primary: PRIMARY, secondary: SECONDARY }],
      interface: 'teredo',
      dataPath: 'auto',
      ...settings,
    },
    ports,
  );
  onTestFinished(() => client.close());
  const warnings: string[] = [];
  client.on('warning', (message) => warnings.push(message));
  const pass = async (milliseconds: number): Promise<void> => {
    for (let left = milliseconds; left > 0; left -= 100) {
      clock.advance(100);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { client, server, ports, warnings, pass, clock };
}

test('CL-7: with onlyWithoutIpv6 the client rests while the host has native IPv6, and sends nothing', async () => {
  const { client, server, ports, pass } = await clientRig({ onlyWithoutIpv6: true });
  ports.network.nativeAddresses = [v6('2001:db8::9')];
  ports.network.nativeDefaultRoute = true;
  await client.start();
  await pass(30_000);
  expect([client.state, client.status().reason]).toEqual(['dormant', 'native-ipv6']);
  expect(client.counters['sentSolicitations']).toBe(0);
  expect(server.counters['receivedDatagrams']).toBe(0);
  ports.network.nativeDefaultRoute = false;
  ports.networkChanged();
  await pass(5_000);
  expect(client.state).toBe('qualified');
  expect(settingsOf(ports)).toContain('::/0');
  const { sentSolicitations } = client.counters;
  ports.network.nativeDefaultRoute = true;
  ports.networkChanged();
  await pass(60_000);
  expect([client.state, client.address]).toEqual(['dormant', undefined]);
  expect(settingsOf(ports).some((setting) => setting.startsWith('2001:0:'))).toBe(false);
  expect(client.counters['sentSolicitations']).toBe(sentSolicitations);
});

/** Of a gateway: how many ports it has open for this client. */
function gatewayOf(ports: MemoryPorts): { open: number; change: () => void } {
  const gateway = { open: 0, change: (): void => undefined };
  ports.portMapper = ({ local }) => ({
    asked: Promise.resolve(true),
    map: async () => {
      gateway.change();
      gateway.open = 1;
      return { protocol: 'pcp', external: { address: ADDRESS, port: local.port }, lifetimeMs: 3_600_000 };
    },
    watch: () => undefined,
    release: async () => void (gateway.open = 0),
  });
  return gateway;
}

test('CL-7: a client that rests has no port opened by a gateway', async () => {
  const { client, ports, pass } = await clientRig({ onlyWithoutIpv6: true });
  const gateway = gatewayOf(ports);
  await client.start();
  await pass(1_000);
  expect([client.state, gateway.open]).toEqual(['qualified', 1]);
  ports.network.nativeAddresses = [v6('2001:db8::9')];
  ports.network.nativeDefaultRoute = true;
  ports.networkChanged();
  await pass(7_000);
  expect([client.state, gateway.open, client.status().portMapping]).toEqual(['dormant', 0, undefined]);
  ports.network.nativeDefaultRoute = false;
  ports.networkChanged();
  await pass(5_000);
  expect([client.state, gateway.open]).toEqual(['qualified', 1]);
});

test('CL-7: native IPv6 that comes while the client starts, before its monitor, is seen', async () => {
  const { client, ports, pass } = await clientRig({ onlyWithoutIpv6: true });
  const gateway = gatewayOf(ports);
  gateway.change = () => {
    ports.network.nativeAddresses = [v6('2001:db8::9')];
    ports.network.nativeDefaultRoute = true;
  };
  await client.start();
  await pass(1_000);
  expect([client.state, client.status().reason, gateway.open]).toEqual(['dormant', 'native-ipv6', 0]);
  expect(client.counters['sentSolicitations']).toBe(0);
});

test('after a suspend the mapping is checked at once, though no link has changed and no timer is due', async () => {
  const { client, pass, clock } = await clientRig();
  const resumed: number[] = [];
  client.on('resumed', (ms) => resumed.push(ms));
  await client.start();
  await pass(5_000);
  expect(client.state).toBe('qualified');
  const { address } = client;
  const { sentSolicitations } = client.counters;
  await pass(3_000);
  clock.suspend(900);
  await pass(2_000);
  expect(client.counters['sentSolicitations'], 'no suspend').toBe(sentSolicitations);
  clock.suspend(600_000);
  await pass(1_500);
  expect(resumed).toEqual([600_000]);
  expect(client.counters['sentSolicitations']).toBeGreaterThan(sentSolicitations!);
  expect(client.state).toBe('qualified');
  expect(client.address).toEqual(address);
  await client.close();
  clock.suspend(600_000);
  await pass(5_000);
  expect(resumed).toHaveLength(1);
});

test('without that it stays a client beside native IPv6', async () => {
  const { client, ports, pass } = await clientRig();
  ports.network.nativeAddresses = [v6('2001:db8::9')];
  ports.network.nativeDefaultRoute = true;
  await client.start();
  await pass(5_000);
  expect(client.state).toBe('qualified');
});

/** Routes for packets from the client's own address. */
const FROM_OWN = ['2000::/4', '2001:0:8000::/33', '2001::/33', '3000::/4', '::/0'].map(
  (text) => `${text} from`,
);

/** Addresses and routes of the tunnel, in words. */
function settingsOf({ network }: MemoryPorts): string[] {
  const { isUp, addresses, routes } = network.tunnelState('teredo')!;
  return [
    isUp ? 'up' : 'down',
    ...addresses.map(({ address, prefixLength }) => `${formatIpv6(address)}/${prefixLength}`).toSorted(),
    ...routes
      .map(({ destination, prefixLength, source }) =>
        `${formatIpv6(destination)}/${prefixLength} ${source === undefined ? '' : 'from'}`.trim(),
      )
      .toSorted(),
  ];
}

test("addresses and routes that another program takes from a client's tunnel are set again with the next change, with a warning", async () => {
  const { client, ports, warnings, pass } = await clientRig();
  await client.start();
  await pass(500);
  const before = settingsOf(ports);
  expect(before).toEqual([
    'up',
    expect.stringMatching(/^2001:0:cb00:7178:.*\/32$/),
    'fe80::ffff:ffff:ffff/64',
    '2000::/3',
    '2000::/4 from',
    '2001:0:8000::/33 from',
    '2001::/33 from',
    '3000::/4 from',
    '::/0',
    '::/0 from',
  ]);
  ports.networkChanged();
  await pass(500);
  expect(warnings).toEqual([]);
  ports.network.takeDown('teredo');
  ports.networkChanged();
  await pass(500);
  expect(settingsOf(ports)).toEqual(before);
  expect(warnings).toEqual([
    'another program has taken teredo down, or addresses or routes from it: set again',
  ]);
  expect([client.state, client.status().defaultRoute]).toEqual(['qualified', true]);
});

test('and a setting that cannot be restored is reported once', async () => {
  const { client, ports, warnings, pass } = await clientRig();
  await client.start();
  await pass(500);
  ports.network.takeDown('teredo');
  ports.tunnelHost.setUpTunnel = () => Promise.reject(new Error('it is to be down'));
  for (let i = 0; i < 3; i++) {
    ports.networkChanged();
    await pass(500);
  }
  expect(warnings).toEqual([expect.stringMatching(/another program/), 'it is to be down']);
});

test("the same of a relay's tunnel", async () => {
  const { clock, ports } = host();
  const relay = new Relay(
    { address: ADDRESS, port: 3545, interface: 'teredo', serve: ALL_NATIVE, dataPath: 'auto' },
    ports,
  );
  onTestFinished(() => relay.close());
  const warnings: string[] = [];
  relay.on('warning', (message) => warnings.push(message));
  await relay.start();
  const before = settingsOf(ports);
  expect(before).toEqual(['up', expect.stringMatching(/^fe80:.*\/64$/), '2001::/32']);
  ports.network.takeDown('teredo');
  ports.networkChanged();
  clock.advance(100);
  await eventually(() => expect(settingsOf(ports)).toEqual(before));
  expect(warnings).toHaveLength(1);
});

test('a route that cannot be set is reported, keeps no other from being set, and leaves nothing behind', async () => {
  const { client, server, ports, warnings, pass } = await clientRig({ defaultRoute: 'always' });
  const { network } = ports;
  const addRoute = network.addRoute.bind(network);
  network.addRoute = (name, route) =>
    route.prefixLength === 0 && route.source === undefined
      ? Promise.reject(new Error('::/0: it exists already'))
      : addRoute(name, route);
  await client.start();
  await pass(500);
  const all = settingsOf(ports);
  expect(all.slice(3)).toEqual(['2000::/3', ...FROM_OWN]);
  expect(warnings).toEqual(['::/0: it exists already']);
  expect([client.state, client.status().defaultRoute]).toEqual(['qualified', true]);
  network.addRoute = addRoute;
  ports.networkChanged();
  await pass(500);
  expect(settingsOf(ports).slice(3)).toContain('::/0');
  await server.close();
  network.subnets = [{ address: v4('198.51.100.9'), prefixLength: 24, interface: 'eth1' }];
  ports.networkChanged();
  await pass(20_000);
  expect(client.address).toBeUndefined();
  expect(settingsOf(ports)).toEqual(['up', 'fe80::ffff:ffff:ffff/64']);
  expect(client.status().defaultRoute).toBe(false);
});

test('a socket that cannot be opened again and again is a warning once a minute', async () => {
  const { client, ports, warnings, pass } = await clientRig();
  ports.openDiscovery = () => {
    throw new Error('no descriptors');
  };
  await client.start();
  await pass(500);
  expect(warnings).toEqual(['no descriptors']);
  for (let i = 1; i <= 3; i++) {
    ports.network.subnets = [{ address: ADDRESS, prefixLength: 24 - i, interface: `eth${i}` }];
    ports.networkChanged();
    await pass(1_000);
  }
  expect(warnings).toEqual(['no descriptors']);
  await pass(60_000);
  expect(warnings).toEqual(['no descriptors', 'no descriptors (3 more times within a minute)']);
});

test.for(['accept', 'refuse'] as const)(
  'rules of the tunnel that cannot be set, for ever other reasons, are a warning of each once a minute: inbound %s',
  async (inbound) => {
    const { client, ports, warnings, pass } = await clientRig({ inbound });
    let tries = 0;
    ports.openTunnelRules = () => ({
      set: (own) => {
        if (own.length > 0) throw new Error(++tries % 2 === 0 ? 'no memory' : 'no buffers');
      },
      close: () => undefined,
    });
    await client.start();
    for (let i = 0; i < 5; i++) {
      ports.networkChanged();
      await pass(1_000);
    }
    expect(tries).toBeGreaterThan(5);
    const words =
      inbound === 'accept'
        ? 'packets from the Teredo address may leave by other interfaces'
        : 'packets from the Teredo address may leave by other interfaces (inbound packets stay refused)';
    expect(warnings.toSorted()).toEqual([`${words}: no buffers`, `${words}: no memory`]);
  },
);

test('a client opens its network monitor when it starts, not before', async () => {
  const { client, ports } = await clientRig();
  expect(ports.monitorsOpened).toBe(0);
  await client.start();
  expect(ports.monitorsOpened).toBe(1);
});

test('a client looks at the network after a second at the latest', async () => {
  const { client, ports, clock, pass } = await clientRig();
  await client.start();
  await pass(500);
  const looked: number[] = [];
  const begun = clock.now();
  ports.network.ipv4Subnets = () => {
    looked.push(clock.now() - begun);
    return ports.network.subnets;
  };
  for (let i = 0; i < 120; i++) {
    ports.networkChanged();
    clock.advance(10);
  }
  await pass(1_000);
  expect(looked).toEqual([1_000, 1_490]);
});

test('a kernel path that cannot be configured is closed again', async () => {
  const { client, ports } = await clientRig();
  const open = ports.openKernelPath.bind(ports);
  ports.openKernelPath = (options) => {
    const kernelPath = open(options);
    kernelPath.setOwn = () => {
      throw new Error('no memory');
    };
    return kernelPath;
  };
  await expect(client.start()).rejects.toThrow('no memory');
  expect(ports.kernelPaths.size).toBe(0);
  expect(client.dataPath.kind).toBe('user');
});

test('a host relay serves an address that comes while it starts, before its monitor', async () => {
  const { ports } = host();
  ports.network.nativeAddresses = [ONE];
  const relay = new Relay({ address: 0, port: 3545, interface: 'teredo', dataPath: 'auto' }, ports);
  onTestFinished(() => relay.close());
  const open = ports.openNetworkMonitor.bind(ports);
  let served = 0;
  ports.openNetworkMonitor = () => {
    ports.kernelPaths.values().next().value!.setServed = (prefixes) => (served = prefixes.length);
    ports.network.nativeAddresses = [ONE, OTHER];
    return open();
  };
  await relay.start();
  expect(served).toBe(2);
});

test("a host relay looks at the host's addresses when changes have come to rest, and after a second at the latest", async () => {
  const { clock, ports } = host();
  ports.network.nativeAddresses = [ONE];
  const relay = new Relay({ address: 0, port: 3545, interface: 'teredo', dataPath: 'auto' }, ports);
  onTestFinished(() => relay.close());
  await relay.start();
  const [kernelPath] = ports.kernelPaths;
  const served: string[] = [];
  kernelPath!.setServed = (prefixes) => served.push(`${clock.now()}: ${prefixes.length}`);
  ports.network.nativeAddresses = [ONE, OTHER];
  for (let i = 0; i < 120; i++) {
    ports.networkChanged();
    clock.advance(10);
  }
  clock.advance(1_000);
  expect(served).toEqual(['1000: 2', '1290: 2']);
});
