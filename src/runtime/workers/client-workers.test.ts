/** A client's first thread, with threads that a test plays. */
import { expect, onTestFinished, test } from 'vitest';
import { data, seededEntropy, v4, v6 } from '../../../test/support/client-rig.ts';
import { PlayedThread } from '../../../test/support/played-thread.ts';
import { CARRYING_COUNTERS } from '../../core/offload/carrying-worker.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import type { WorkerPorts } from '../../io/workers/worker-ports.ts';
import { formatIpv6 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { Client } from '../client.ts';
import type { ClientSettings } from '../client-settings.ts';
import { Server } from '../server.ts';
import type { ClientWorkerData, PeerStep, ToClientWorker } from './client-messages.ts';
import type { FromWorker } from './worker-messages.ts';

const [PRIMARY, SECONDARY] = [v4('203.0.113.120'), v4('203.0.113.121')];
const [HOST_A, HOST_B] = [v4('192.0.2.10'), v4('192.0.2.11')];

type Thread = PlayedThread<ClientWorkerData, ToClientWorker>;

class PlayedPorts extends MemoryPorts {
  readonly threads: Thread[] = [];
  /** The peers that the kernel was told of. */
  readonly shared: string[] = [];
  readonly workers: WorkerPorts = {
    clockOffset: 0,
    openSharedUdp: () => {
      throw new Error('a client opens a tunnel');
    },
    takeOver: () => {
      throw new Error('a client takes nothing over');
    },
    openSharedTunnel: () => {
      throw new Error('a client divides by what it knows');
    },
    openPeerTunnel: (name, options, workers) => ({
      tun: this.openTun(name),
      udp: this.openUdp(options),
      others: Array.from({ length: workers - 1 }, (_, i) => ({ tun: 100 + i, udp: 200 + i })),
      sharing: {
        give: (peer, offset, _address, _port, worker) =>
          this.shared.push(`${formatIpv6(peer.slice(offset, offset + 16))} to ${worker}`) > 0,
        takeBack: (peer, offset) =>
          void this.shared.push(`${formatIpv6(peer.slice(offset, offset + 16))} back`),
        close: () => {},
      },
    }),
    adoptUdp: (_, options) => this.openUdp(options),
    adoptTun: (_, name) => this.openTun(name),
    discard: () => {},
    startThread: (_, of) => {
      const thread: Thread = new PlayedThread(of, this.atStart);
      this.threads.push(thread);
      return thread;
    },
  };
  /** The first message of each thread. */
  atStart: FromWorker | undefined = { type: 'ready' };
}

/** A network with a server, and time that passes when the test says so. */
class Net {
  readonly clock = new MemoryClock();
  private readonly wire = new MemoryIpv4Network();

  static async open(): Promise<Net> {
    const net = new Net();
    const ports = new MemoryPorts(net.wire, [PRIMARY, SECONDARY], seededEntropy(1), net.clock);
    const server = new Server({ address: PRIMARY, secondary: SECONDARY }, ports);
    onTestFinished(() => server.close());
    await server.start();
    return net;
  }

  ports(address: number): PlayedPorts {
    return new PlayedPorts(this.wire, [address], seededEntropy(address), this.clock);
  }

  client(ports: MemoryPorts, settings: Partial<ClientSettings> = {}): Client {
    const servers = [{ primary: PRIMARY, secondary: SECONDARY }];
    const client = new Client({ servers, interface: 'teredo', localDiscovery: false, ...settings }, ports);
    onTestFinished(() => client.close());
    return client;
  }

  async pass(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= 100) {
      this.clock.advance(Math.min(100, left));
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Two clients that know each other; the first has three workers. */
  static async acquainted() {
    const net = await Net.open();
    const [here, there] = [net.ports(HOST_A), net.ports(HOST_B)];
    const client = net.client(here, { workers: 3 });
    const lost: string[] = [];
    client.on('lost', ({ message }) => lost.push(message));
    const peer = net.client(there, { dataPath: 'user' });
    await Promise.all([client.start(), peer.start()]);
    await net.pass(500);
    const [own, other] = [client.address!, peer.address!];
    await net.offer(here, data(own, other));
    await net.offer(there, data(other, own));
    const [one, two] = here.threads as [Thread, Thread];
    return { net, here, there, client, own, other, one, two, lost };
  }

  async offer(ports: PlayedPorts, packet: Uint8Array): Promise<void> {
    ports.tuns.get('teredo')!.offer(packet);
    await this.pass(100);
  }
}

function stepsOf({ heard }: Thread): readonly PeerStep[] {
  return heard.flatMap((message) => (message.type === 'peers' ? message.steps : []));
}

function ownOf({ heard }: Thread): Ipv6 | undefined {
  const last = heard.findLast((message) => message.type === 'change');
  return last?.state.own;
}

test('a trusted peer is given to a worker, and its packets go there once the worker has said so', async () => {
  const { here, client, own, other, one, two } = await Net.acquainted();
  expect(stepsOf(one)).toEqual([]);
  const [first] = stepsOf(two);
  expect(first).toMatchObject({ peer: other, place: { address: HOST_B } });
  expect(first!.place!.heardMsAgo).toBeLessThan(100);
  expect([ownOf(one), ownOf(two)]).toEqual([own, own]);
  expect(here.shared).toEqual([]);
  two.tell({ type: 'took', peer: other });
  expect(here.shared).toEqual([`${formatIpv6(other)} to 2`]);
  await client.close();
  expect(two.heard.at(-1)).toEqual({ type: 'close' });
});

test('packets that workers have carried keep the peer valid, and are in the traffic of peer and client', async () => {
  const { net, here, client, own, other, two } = await Net.acquainted();
  const [before, whole] = [client.trafficOf(other)!, client.status()];
  const column = (count: number): Float64Array => Float64Array.of(count);
  for (let i = 0; i < 30; i++) {
    await net.pass(2_000);
    two.tell({
      type: 'carried',
      report: {
        count: 1,
        buffer: other,
        receivedAt: column(10),
        sentAt: column(5),
        receivedPackets: column(3),
        receivedBytes: column(300),
        sentPackets: column(1),
        sentBytes: column(100),
      },
    });
  }
  expect(client.trafficOf(other)!.receivedPackets - before.receivedPackets).toBe(90);
  expect([...client.peers()]).toMatchObject([
    { state: 'valid', offloaded: false, lastReceivedMs: client.now - 10, lastSentMs: client.now - 5 },
  ]);
  const shown = new Float64Array(two.data.shown);
  const set = (name: (typeof CARRYING_COUNTERS)[number], count: number): void => {
    shown[CARRYING_COUNTERS.indexOf(name)] = count;
  };
  set('receivedDatagrams', 90);
  set('acceptedPackets', 30);
  shown[CARRYING_COUNTERS.length + 1] = 9_000; // octets received
  two.tell({ type: 'report', portCounters: { 'tunWriteFailures.EIO': 3 }, limits: [] });
  const after = client.status();
  const grown = (name: string): number => after.counters[name]! - whole.counters[name]!;
  expect(grown('receivedDatagrams')).toBeGreaterThanOrEqual(90);
  expect(grown('acceptedPackets')).toBe(30);
  expect(after.traffic.receivedBytes - whole.traffic.receivedBytes).toBe(9_000);
  expect(after).toMatchObject({
    portCounters: { 'tunWriteFailures.EIO': 3 },
    dataPath: { kind: 'user', reason: expect.stringContaining('several workers') as string },
  });
  expect(after.workers).toHaveLength(3);
  expect(after.workers[2]).toEqual({ receivedDatagrams: 90, receivedPackets: 30 });
  void [here, own];
});

test('packets that a worker leaves are judged by the first thread', async () => {
  const { net, here, there, own, other, two } = await Net.acquainted();
  const packet = data(own, other, 99);
  const batch = (bytes: Uint8Array) => ({
    count: 1,
    buffer: bytes,
    offsets: Uint32Array.of(0),
    lengths: Uint32Array.of(bytes.length),
  });
  const none = {
    count: 0,
    buffer: new Uint8Array(0),
    offsets: new Uint32Array(0),
    lengths: new Uint32Array(0),
  };
  const from = { addresses: Uint32Array.of(HOST_B), ports: Uint16Array.of(1), tos: Uint8Array.of(0) };
  two.tell({ type: 'left', datagrams: { ...none, ...from }, packets: batch(packet) });
  await net.pass(100);
  expect(there.tuns.get('teredo')!.delivered.at(-1)).toEqual(packet);
  const forged = data(v6('2001:db8::7'), own, 60);
  two.tell({ type: 'left', datagrams: { ...batch(forged), ...from }, packets: none });
  await net.pass(100);
  expect(here.tuns.get('teredo')!.delivered.at(-1)).toEqual(forged);
});

test('packets that a worker leaves at the end of the client are judged, too', async () => {
  const { client, there, net, own, other, two } = await Net.acquainted();
  const closing = client.close();
  expect(two.heard.at(-1)).toEqual({ type: 'close' });
  const packet = data(own, other, 99);
  const [none, numbers] = [new Uint32Array(0), { count: 0, buffer: new Uint8Array(0) }];
  const datagrams = { ...numbers, offsets: none, lengths: none, addresses: none, ports: none, tos: none };
  const offsets = Uint32Array.of(0);
  const packets = { count: 1, buffer: packet, offsets, lengths: Uint32Array.of(packet.length) };
  two.tell({ type: 'left', datagrams, packets });
  await closing;
  await net.pass(100);
  expect(there.tuns.get('teredo')!.delivered.at(-1)).toEqual(packet);
});

test('a client that has lost its server has workers that carry nothing, until it is qualified again', async () => {
  const { net, client, own, one, two } = await Net.acquainted();
  net.clock.advance(0);
  client.setServers([{ primary: v4('203.0.113.9'), secondary: undefined }]);
  await net.pass(100);
  expect(client.state).toBe('probe');
  expect([ownOf(one), ownOf(two)]).toEqual([undefined, undefined]);
  client.setServers([{ primary: PRIMARY, secondary: SECONDARY }]);
  await net.pass(1_000);
  expect(client.state).toBe('qualified');
  expect([ownOf(one), ownOf(two)]).toEqual([client.address, client.address]);
  expect(own).toBeDefined();
});

test('a worker that ends by itself ends the client', async () => {
  const { two, one, lost } = await Net.acquainted();
  two.lose(new Error('out of memory'));
  one.lose(new Error('out of memory'));
  expect(lost).toEqual(['worker 3 of 3: out of memory']);
});

test('a worker that cannot start is the reason of the client, which leaves nothing open', async () => {
  const net = await Net.open();
  const ports = net.ports(HOST_A);
  ports.atStart = { type: 'refused', code: 'system', message: 'no memory' };
  const client = net.client(ports, { workers: 2 });
  await expect(client.start()).rejects.toMatchObject({ code: 'system', message: 'no memory' });
  expect([ports.tuns.size, ports.network.interfaces.size, ports.monitorCount]).toEqual([0, 0, 0]);
});

test('several workers are refused with the kernel path, and without an interface', async () => {
  const net = await Net.open();
  const make = (settings: Partial<ClientSettings>) => () => net.client(net.ports(HOST_A), settings);
  expect(make({ workers: 2, dataPath: 'kernel' })).toThrow(/uses all processors: it needs "workers" 1/);
  expect(make({ workers: 2, interface: undefined })).toThrow(/they need "interface"/);
  expect(make({ workers: 9 })).toThrow(/9 is not a number of workers from 1 to 8/);
  const client = make({ workers: 2 })();
  expect(() => client.setDataPath('kernel')).toThrow(/it needs "workers" 1/);
  client.setDataPath('auto');
});
