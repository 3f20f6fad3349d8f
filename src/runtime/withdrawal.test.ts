import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import type { Ipv6Route } from '../io/ports.ts';
import { BFD_STATE, buildBfd, formatIpv6, parseIpv6, parsePrefix, readBfd } from '../wire/index.ts';
import { ALL_NATIVE, Relay } from './relay.ts';

const ADDRESS = v4('192.0.2.10');
const HALVES = ['2001::/33', '2001:0:8000::/33'];

const inWords = ({ destination, prefixLength }: Ipv6Route): string =>
  `${formatIpv6(destination)}/${prefixLength}`;

/** A relay in memory. `changes`: routes as they come (+) and go (-); `refused`: changes that the system refuses. */
function relayRig() {
  const clock = new MemoryClock();
  const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1), clock);
  const { network } = ports;
  const changes: string[] = [];
  const refused = new Set<string>();
  const watch = (change: 'addRoute' | 'removeRoute', sign: '+' | '-'): void => {
    const original = network[change].bind(network);
    network[change] = async (name, route) => {
      const words = `${sign}${inWords(route)}`;
      if (refused.has(words)) throw new Error(`${words}: refused`);
      await original(name, route);
      changes.push(words);
    };
  };
  watch('addRoute', '+');
  watch('removeRoute', '-');
  const relay = new Relay(
    { address: ADDRESS, port: 3545, interface: 'teredo', serve: ALL_NATIVE, dataPath: 'auto' },
    ports,
  );
  onTestFinished(() => relay.close());
  return {
    relay,
    network,
    tun: () => ports.tuns.get('teredo')!,
    changes,
    refused,
    pass: () => clock.advance(1_000),
    routes: () => network.tunnelState('teredo')!.routes.map(inWords).toSorted(),
  };
}

test('a relay that withdraws twice does not announce its route in between', async () => {
  const { relay, changes } = relayRig();
  await relay.start();
  await Promise.all([relay.withdraw(), relay.withdraw()]);
  await relay.withdraw();
  expect(changes).toEqual(['+2001::/32', ...HALVES.map((half) => `+${half}`), '-2001::/32']);
});

test('a routing daemon that asks by BFD learns of the withdrawal', async () => {
  const { relay, tun } = relayRig();
  await relay.start();
  const { delivered } = tun();
  const states = (): number[] => delivered.map((packet) => readBfd(packet, 0)!.state);
  tun().offer(buildBfd({ ...ASKED, state: BFD_STATE.down }));
  await eventually(() => expect(states()).toEqual([BFD_STATE.init]));
  const { mine: yours } = readBfd(delivered[0]!, 0)!;
  tun().offer(buildBfd({ ...ASKED, state: BFD_STATE.up, yours }));
  await eventually(() => expect(states()).toEqual([BFD_STATE.init, BFD_STATE.up]));
  await relay.withdraw();
  expect(states().at(-1)).toBe(BFD_STATE.adminDown);
});

const ASKED = {
  source: parseIpv6('fe80::1')!,
  destination: parseIpv6('fe80::2')!,
  poll: false,
  final: false,
  multiplier: 10,
  mine: 7,
  yours: 0,
  desiredMinTx: 100_000,
  requiredMinRx: 30_000,
};

test('the announced route stays until its halves are there', async () => {
  const { relay, refused, routes, pass } = relayRig();
  await relay.start();
  refused.add('+2001:0:8000::/33');
  expect(await relay.withdraw()).toBe(false);
  expect(routes()).toEqual(['2001::/32', '2001::/33']);
  refused.clear();
  pass();
  await eventually(() => expect(routes()).toEqual(HALVES.toSorted()));
});

test('a route that the system keeps is withdrawn only when it has gone', async () => {
  const { relay, refused, pass } = relayRig();
  let withdrawals = 0;
  relay.on('withdrawn', () => withdrawals++);
  await relay.start();
  refused.add('-2001::/32');
  expect([await relay.withdraw(), relay.isWithdrawn, withdrawals]).toEqual([false, false, 0]);
  refused.clear();
  pass();
  await eventually(() => expect([relay.isWithdrawn, withdrawals]).toEqual([true, 1]));
  expect([await relay.withdraw(), withdrawals]).toEqual([true, 1]);
});

test('a route that another program has added is not withdrawn', async () => {
  const { relay, network } = relayRig();
  await relay.start();
  await relay.withdraw();
  expect(relay.isWithdrawn).toBe(true);
  const { address: destination, length: prefixLength } = parsePrefix('2001::/32')!;
  await network.addRoute('teredo', { destination, prefixLength, metric: 7 });
  expect(relay.isWithdrawn).toBe(false);
});

test('a relay that is to withdraw before its start does not announce its route', async () => {
  const { relay, changes } = relayRig();
  await relay.withdraw();
  await relay.start();
  expect(changes).toEqual(HALVES.map((half) => `+${half}`));
});

test('a relay withdraws while it starts', async () => {
  const { relay, routes } = relayRig();
  const started = relay.start();
  await relay.withdraw();
  expect(routes()).toEqual(HALVES.toSorted());
  await started;
});
