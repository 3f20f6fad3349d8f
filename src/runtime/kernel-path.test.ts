import { expect, onTestFinished, test } from 'vitest';
import { slowSteps } from '../../test/support/slow-steps.ts';
import { data, seededEntropy, v4, v6 } from '../../test/support/client-rig.ts';
import { EnvironmentError } from '../io/errors.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { formatIpv4, formatIpv6 } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { Client } from './client.ts';
import type { ClientSettings } from './client-settings.ts';
import { ALL_NATIVE, Relay } from './relay.ts';
import type { RelaySettings } from './relay.ts';
import { Server } from './server.ts';

const [PRIMARY, SECONDARY] = [v4('203.0.113.120'), v4('203.0.113.121')];
const [HOST_A, HOST_B, HOST_R] = [v4('192.0.2.10'), v4('192.0.2.11'), v4('203.0.113.130')];
const NATIVE = v6('2001:db8::1');

/** A network with a server, and time that passes when the test says so. */
class Net {
  readonly clock = new MemoryClock();
  private readonly wire = new MemoryIpv4Network();
  private seed = 1;

  static async open(): Promise<Net> {
    const net = new Net();
    const server = new Server({ address: PRIMARY, secondary: SECONDARY }, net.host(PRIMARY, SECONDARY));
    onTestFinished(() => server.close());
    await server.start();
    return net;
  }

  host(...addresses: [number, ...number[]]): MemoryPorts {
    return new MemoryPorts(this.wire, addresses, seededEntropy(this.seed++), this.clock);
  }

  async client(ports: MemoryPorts, settings: Partial<ClientSettings> = {}): Promise<Client> {
    const client = new Client(
      {
        servers: [{ primary: PRIMARY, secondary: SECONDARY }],
        interface: 'teredo',
        localDiscovery: false,
        dataPath: 'auto',
        ...settings,
      },
      ports,
    );
    onTestFinished(() => client.close());
    await client.start();
    await this.pass(500);
    expect(client.state).toBe('qualified');
    return client;
  }

  async relay(ports: MemoryPorts, settings: Partial<RelaySettings> = {}): Promise<Relay> {
    const relay = new Relay(
      { address: HOST_R, port: 3545, interface: 'teredo', serve: ALL_NATIVE, dataPath: 'auto', ...settings },
      ports,
    );
    onTestFinished(() => relay.close());
    await relay.start();
    return relay;
  }

  async pass(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= 100) {
      this.clock.advance(Math.min(100, left));
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Sends a packet of that size from behind a tunnel; how it came out at the other. */
  async send(
    from: MemoryPorts,
    to: MemoryPorts,
    packet: Uint8Array,
    [out, into] = ['teredo', 'teredo'],
  ): Promise<boolean> {
    const before = to.tuns.get(into)!.delivered.length;
    from.tuns.get(out)!.offer(packet);
    await this.pass(100);
    await this.pass(5); // an offer to the kernel path that it caused is carried out
    const got = to.tuns.get(into)!.delivered.slice(before);
    return got.length === 1 && Buffer.compare(got[0]!, packet) === 0;
  }
}

/** Two clients that know each other. */
async function pair(settings: Partial<ClientSettings> = {}) {
  const net = await Net.open();
  const [a, b] = [net.host(HOST_A), net.host(HOST_B)];
  const [alice, bob] = [await net.client(a, settings), await net.client(b, settings)];
  const ahead = (): Uint8Array => data(alice.address!, bob.address!);
  const back = (): Uint8Array => data(bob.address!, alice.address!);
  expect(await net.send(a, b, ahead())).toBe(true);
  expect(await net.send(b, a, back())).toBe(true);
  return { net, a, b, alice, bob, ahead, back };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function carriedOut(ports: MemoryPorts): number {
  return [...ports.kernelPaths].reduce((sum, { counters }) => sum + counters['carriedOut']!, 0);
}

test('packets between clients that know each other pass by both machines', async () => {
  const { net, a, b, alice, bob, ahead, back } = await pair();
  expect(alice.dataPath).toEqual({ kind: 'kernel' });
  const [sent, delivered] = [alice.counters['sentPackets'], bob.counters['deliveredPackets']];
  const before = carriedOut(a);
  for (let i = 0; i < 5; i++) {
    expect(await net.send(a, b, ahead())).toBe(true);
    expect(await net.send(b, a, back())).toBe(true);
  }
  expect(carriedOut(a) - before).toBe(5);
  expect(alice.status().carried).toMatchObject({ sentPackets: carriedOut(a), sentBytes: 60 * carriedOut(a) });
  expect([alice.counters['sentPackets'], bob.counters['deliveredPackets']]).toEqual([sent, delivered]);
  expect([...alice.peers()].map(({ offloaded }) => offloaded)).toEqual([true]);
});

test("a peer's packets and octets of both data paths are known at once, and when the kernel path has ended", async () => {
  const { net, a, b, alice, bob, ahead, back } = await pair();
  const counts = (count: number) => ({ packets: count, octets: 60 * count });
  const sentBy = (one: Client, to: Client) => {
    const { sentPackets, sentBytes } = one.trafficOf(to.address!)!;
    return { packets: sentPackets, octets: sentBytes };
  };
  const receivedBy = (one: Client, from: Client) => {
    const { receivedPackets, receivedBytes } = one.trafficOf(from.address!)!;
    return { packets: receivedPackets, octets: receivedBytes };
  };
  for (let count = 2; count < 40; count++) {
    expect(await net.send(a, b, ahead())).toBe(true);
    expect([sentBy(alice, bob), receivedBy(bob, alice)]).toEqual([counts(count), counts(count)]);
    if (count % 7 === 0) await net.pass(700);
  }
  expect(carriedOut(a)).toBeGreaterThan(10);
  expect(await net.send(b, a, back())).toBe(true);
  alice.setDataPath('user');
  expect([sentBy(alice, bob), receivedBy(alice, bob)]).toEqual([counts(39), counts(2)]);
  alice.setDataPath('auto');
  expect(await net.send(a, b, ahead())).toBe(true);
  expect(sentBy(alice, bob)).toEqual(counts(40));
  expect(alice.status().traffic, 'of both data paths').toEqual(alice.trafficOf(bob.address!));
  expect(alice.trafficOf(NATIVE)).toBeUndefined();
});

test('CL-60: carried packets keep peers valid, without a bubble', async () => {
  const { net, a, b, alice, ahead, back } = await pair();
  const bubbles = alice.counters['sentDirectBubbles'];
  for (let second = 0; second < 90; second++) {
    expect(await net.send(a, b, ahead())).toBe(true);
    expect(await net.send(b, a, back())).toBe(true);
    await net.pass(790);
  }
  expect(alice.counters['sentDirectBubbles']).toBe(bubbles);
  expect([...alice.peers()][0]).toMatchObject({ state: 'valid' });
  await net.pass(1_000);
  expect(alice.status().carried).toMatchObject({ peers: 1 });
  // One in 4 s takes the socket's path.
  expect(alice.status().carried!.sentPackets).toBeGreaterThan(65);
  expect(alice.status().carried!.receivedBytes).toBeGreaterThan(65 * 60);
});

test('the way to the Internet is made ready before there is a peer, by each kernel path that is opened', async () => {
  const net = await Net.open();
  const [a, r] = [net.host(HOST_A), net.host(HOST_R)];
  const ready: unknown[] = [];
  for (const ports of [a, r]) {
    const open = ports.openKernelPath.bind(ports);
    ports.openKernelPath = (options) =>
      Object.assign(open(options), { makeReady: (to: number) => ready.push([options.role, formatIpv4(to)]) });
  }
  const client = await net.client(a);
  await net.relay(r);
  client.setDataPath('user');
  client.setDataPath('kernel');
  expect(ready).toEqual([
    ['client', '1.1.1.1'],
    ['relay', '1.1.1.1'],
    ['client', '1.1.1.1'],
  ]);
});

test('a relay and a client carry for each other', async () => {
  const net = await Net.open();
  const [a, r] = [net.host(HOST_A), net.host(HOST_R)];
  const client = await net.client(a);
  const relay = await net.relay(r);
  const inward = (): Uint8Array => data(NATIVE, client.address!);
  // The first makes it known, the second has it offered.
  for (let i = 0; i < 2; i++) expect(await net.send(r, a, inward())).toBe(true);
  expect(relay.dataPath).toEqual({ kind: 'kernel' });
  const relayed = relay.counters['relayedToClients'];
  for (let i = 0; i < 3; i++) expect(await net.send(r, a, inward())).toBe(true);
  expect(relay.counters['relayedToClients']).toBe(relayed);
  expect(carriedOut(r)).toBe(3);
  expect(relay.isOffloaded(relay.peers.find(client.address!, 0))).toBe(true);
});

test('a relay knows its users, whichever data path carries: clients exactly, prefixes by tallies of the kernel', async () => {
  const net = await Net.open();
  const [a, b, r] = [net.host(HOST_A), net.host(HOST_B), net.host(HOST_R)];
  const [alice, bob] = [await net.client(a), await net.client(b)];
  const relay = await net.relay(r);
  const far = v6('2001:db8:0:1::1');
  const octets = { alice: 0, bob: 0 };
  const exchange = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      expect(await net.send(r, a, data(NATIVE, alice.address!, 1_280))).toBe(true);
      octets.alice += 1_280;
      if (i % 3 > 0) continue;
      expect(await net.send(r, b, data(far, bob.address!, 1_280))).toBe(true);
      octets.bob += 1_280;
    }
  };
  const expectUsers = (): void => {
    const { peers, prefixes } = relay.users('hour');
    expect(peers.users.map(({ address }) => address)).toEqual([alice.address, bob.address]);
    for (const [i, real] of [octets.alice, octets.bob].entries()) {
      for (const { receivedBytes, sentBytes, errorBytes } of [peers.users[i]!, prefixes.users[i]!])
        expect(Math.abs(receivedBytes + sentBytes - real)).toBeLessThanOrEqual(errorBytes);
      expect(peers.users[i]!.errorBytes).toBe(0);
    }
    expect(prefixes.users.map(({ address }) => formatIpv6(address))).toEqual([
      '2001:db8::',
      '2001:db8:0:1::',
    ]);
  };
  await exchange(300);
  expect(carriedOut(r)).toBeGreaterThan(100);
  expectUsers();
  relay.setDataPath('user');
  await exchange(50);
  expectUsers();
});

test("H-5: a host-specific relay's addresses are followed", async () => {
  const net = await Net.open();
  const [a, r] = [net.host(HOST_A), net.host(HOST_R)];
  r.network.nativeAddresses = [NATIVE];
  const client = await net.client(a);
  await net.relay(r, { serve: undefined });
  const other = v6('2001:db8::2');
  const from = (source: Ipv6): Promise<boolean> => net.send(r, a, data(source, client.address!));
  for (let i = 0; i < 3; i++) expect(await from(NATIVE)).toBe(true);
  expect(carriedOut(r)).toBe(1);
  r.network.nativeAddresses = [other];
  r.networkChanged();
  await net.pass(100);
  expect([await from(NATIVE), await from(other), carriedOut(r)]).toEqual([false, true, 2]);
});

test('a forgotten peer is offered again, and nothing is lost', async () => {
  const { net, a, b, ahead } = await pair();
  const [kernelPath] = a.kernelPaths;
  const before = carriedOut(a);
  kernelPath!.reset();
  expect(kernelPath!.size).toBe(0);
  expect(await net.send(a, b, ahead())).toBe(true);
  expect(kernelPath!.size).toBe(1);
  expect(await net.send(a, b, ahead())).toBe(true);
  expect(carriedOut(a) - before).toBe(1);
});

test('when the kernel path is lost the machine carries on its own, and gives the reason', async () => {
  const { net, a, b, alice, ahead, back } = await pair();
  const said: unknown[] = [];
  alice.on('data-path', (path) => said.push(path));
  const [kernelPath] = a.kernelPaths;
  expect(await net.send(a, b, ahead())).toBe(true);
  kernelPath!.lose(new Error('another program took it away'));
  for (let i = 0; i < 3; i++) {
    expect(await net.send(a, b, ahead())).toBe(true);
    expect(await net.send(b, a, back())).toBe(true);
  }
  expect(said).toEqual([{ kind: 'user', reason: 'another program took it away' }]);
  expect(alice.dataPath).toEqual(said[0]);
  expect([...alice.peers()].map(({ offloaded }) => offloaded)).toEqual([false]);
  expect(alice.status().carried).toMatchObject({ peers: 0, counters: {} });
  expect(alice.status().carried!.sentPackets).toBeGreaterThan(0);
});

test('CL-4: nothing is carried while the client is not qualified, though its address is kept', async () => {
  const { net, a, b, ahead } = await pair();
  const before = carriedOut(a);
  a.network.subnets = [{ address: HOST_A, prefixLength: 25, interface: 'eth0' }];
  a.networkChanged();
  net.clock.advance(300);
  a.tuns.get('teredo')!.offer(ahead());
  expect(carriedOut(a)).toBe(before);
  await net.pass(1_000);
  expect(await net.send(a, b, ahead())).toBe(true);
  expect(carriedOut(a)).toBeGreaterThan(before);
});

test('two clients on one machine do not disturb each other', async () => {
  const net = await Net.open();
  const [a, b] = [net.host(HOST_A), net.host(HOST_B)];
  const first = await net.client(a, { interface: 'one' });
  const second = await net.client(a, { interface: 'two' });
  const bob = await net.client(b);
  const meet = async (client: Client, name: string): Promise<void> => {
    expect(await net.send(a, b, data(client.address!, bob.address!), [name, 'teredo'])).toBe(true);
    expect(await net.send(b, a, data(bob.address!, client.address!), ['teredo', name])).toBe(true);
  };
  await meet(first, 'one');
  await meet(second, 'two');
  await meet(first, 'one');
  await meet(second, 'two');
  const [one, two] = [...a.kernelPaths].map(({ counters }) => counters['carriedOut']!);
  expect(one).toBeGreaterThan(0);
  expect(two).toBe(one);
  await first.close();
  expect(a.kernelPaths.size).toBe(1);
  await meet(second, 'two');
  expect(carriedOut(a)).toBe(two! + 1);
});

test('--data-path: user never asks for the kernel, auto says why not, kernel fails', async () => {
  const net = await Net.open();
  const ports = net.host(HOST_A);
  const user = await net.client(ports, { dataPath: 'user', interface: 'one' });
  expect([user.dataPath, user.status().carried, ports.kernelPaths.size]).toEqual([
    { kind: 'user' },
    undefined,
    0,
  ]);
  ports.noKernelPath = 'no CAP_BPF';
  const auto = await net.client(ports, { dataPath: 'auto', interface: 'two' });
  expect(auto.dataPath).toEqual({ kind: 'user', reason: 'no CAP_BPF' });
  await expect(net.relay(net.host(HOST_R), { dataPath: 'kernel' })).resolves.toBeDefined();
  await expect(net.client(ports, { dataPath: 'kernel', interface: 'three' })).rejects.toMatchObject({
    code: 'no-kernel-path',
    message: 'no CAP_BPF',
  });
  expect(ports.tuns.has('three')).toBe(false);
});

test('changed while it runs: all arrives, by the data path wanted; the socket merges only while the process alone carries', async () => {
  const { net, a, b, alice, ahead, back } = await pair();
  const paths: string[] = [];
  alice.on('data-path', ({ kind }) => paths.push(kind));
  const socket = [...a.sockets][0]!;
  expect(socket.isMerging).toBe(false);
  for (const wish of ['user', 'kernel', 'kernel', 'user', 'auto'] as const) {
    alice.setDataPath(wish);
    const isCarried = wish !== 'user';
    expect([alice.dataPath.kind, socket.isMerging, a.kernelPaths.size]).toEqual(
      isCarried ? ['kernel', false, 1] : ['user', true, 0],
    );
    for (let i = 0; i < 2; i++) {
      expect(await net.send(a, b, ahead())).toBe(true);
      expect(await net.send(b, a, back())).toBe(true);
    }
    expect(carriedOut(a) > 0).toBe(isCarried);
  }
  expect(paths).toEqual(['user', 'kernel', 'user', 'kernel']);
});

test.each(['auto', 'kernel'] as const)(
  'the kernel path (%s) is tried again after 15, 30, 60 s where it has ended by itself, as long as it is refused',
  async (wish) => {
    const { net, a, b, alice, ahead } = await pair({ dataPath: wish });
    const tried: number[] = [];
    const open = a.openKernelPath.bind(a);
    const short = Object.assign(new Error('out of memory'), { errno: 12, code: 'ENOMEM' });
    let fault: Error | undefined = new EnvironmentError('no-kernel-path', 'no memory', short);
    a.openKernelPath = (options) => {
      tried.push(net.clock.now() - lostAt);
      if (fault !== undefined) throw fault;
      return open(options);
    };
    const lostAt = net.clock.now();
    [...a.kernelPaths][0]!.lose(new Error('another program took it away'));
    await net.pass(50_000);
    expect(tried).toEqual([15_000, 45_000]);
    expect(alice.dataPath.kind).toBe('user');
    fault = undefined;
    await net.pass(60_000);
    expect([tried, alice.dataPath]).toEqual([[15_000, 45_000, 105_000], { kind: 'kernel' }]);
    const before = carriedOut(a);
    expect([await net.send(a, b, ahead()), await net.send(a, b, ahead())]).toEqual([true, true]);
    expect(carriedOut(a)).toBeGreaterThan(before);
  },
);

test('auto tries the kernel path again where memory was short for it at the start, and not where it can never be', async () => {
  const net = await Net.open();
  const triesWith = async (ports: MemoryPorts, cause?: Error): Promise<number> => {
    let tries = 0;
    ports.openKernelPath = () => {
      tries++;
      throw new EnvironmentError('no-kernel-path', 'there is none', cause);
    };
    await net.client(ports);
    await net.pass(400_000);
    return tries;
  };
  const short = Object.assign(new Error('out of memory'), { errno: 12, code: 'ENOMEM' });
  // After 0, 15, 45, 105, 225 s; the next is due after 465.
  expect(await triesWith(net.host(HOST_A), short)).toBe(5);
  expect(await triesWith(net.host(HOST_B))).toBe(1);
});

test('very many reports are read in turns; the answer comes after the last one', async () => {
  const { net, a, alice } = await pair();
  let steps = 0;
  Object.assign([...a.kernelPaths][0]!, {
    *reportInTurns(): Generator<void> {
      while (++steps < 4) yield;
    },
  });
  slowSteps();
  let isDone = false;
  const done = alice.gatherPeers().then(() => (isDone = true));
  await turn();
  expect([steps, isDone]).toEqual([1, false]);
  net.clock.advance(1);
  await done;
  expect(steps).toBe(4);
});

test('an error while reports are read in turns is the answer; without a kernel path the answer comes at once', async () => {
  const { net, a, alice } = await pair();
  Object.assign([...a.kernelPaths][0]!, {
    *reportInTurns(): Generator<void> {
      yield;
      throw new Error('no descriptor');
    },
  });
  slowSteps();
  const failed = alice.gatherPeers();
  failed.catch(() => {}); // it fails below
  net.clock.advance(1);
  await expect(failed).rejects.toThrow('no descriptor');
  alice.setDataPath('user');
  await alice.gatherPeers();
});

test.each([
  ['user', undefined, ['teredo']],
  ['auto', 'no CAP_BPF', ['teredo']],
  ['auto', undefined, []],
] as const)(
  'data path %s, refused: %s: the remains of the kernel path of a killed process are removed where there is none now',
  async (dataPath, refusal, removed) => {
    const net = await Net.open();
    const ports = net.host(HOST_A);
    ports.noKernelPath = refusal;
    const left: string[] = [];
    await net.client(Object.assign(ports, { removeLeftInterfaces: (tunnel: string) => left.push(tunnel) }), {
      dataPath,
    });
    expect(left).toEqual(removed);
  },
);

test('a change that cannot be leaves everything as it was', async () => {
  const { a, alice } = await pair({ dataPath: 'user' });
  a.noKernelPath = 'no CAP_BPF';
  expect(() => alice.setDataPath('kernel')).toThrow('no CAP_BPF');
  expect(alice.dataPath).toEqual({ kind: 'user' });
  alice.setDataPath('auto');
  expect(alice.dataPath).toEqual({ kind: 'user', reason: 'no CAP_BPF' });
});

test('a change that cannot be does not end the tries after the kernel path was lost', async () => {
  const { net, a, alice } = await pair({ dataPath: 'auto' });
  [...a.kernelPaths][0]!.lose(new Error('another program took it away'));
  a.noKernelPath = 'out of memory';
  expect(() => alice.setDataPath('kernel')).toThrow('out of memory');
  a.noKernelPath = undefined;
  await net.pass(40_000);
  expect(alice.dataPath).toEqual({ kind: 'kernel' });
});
