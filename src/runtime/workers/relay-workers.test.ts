/** A relay's first thread, with threads that a test plays. */
import { expect, onTestFinished, test } from 'vitest';
import { PRIMARY, seededEntropy } from '../../../test/support/client-rig.ts';
import { access } from '../../../test/support/access.ts';
import { PlayedThread } from '../../../test/support/played-thread.ts';
import { PeerTable } from '../../core/peer-table.ts';
import { RELAY_COUNTERS, RELAY_LIMITS, relayWorkersPart } from '../../core/relay/index.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import type { WorkerPorts } from '../../io/workers/worker-ports.ts';
import { parseIpv6 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { ALL_NATIVE, Relay } from '../relay.ts';
import type { RelaySettings } from '../relay.ts';
import { recordsOf } from './peer-records.ts';
import type { RelayWorkerData, StraysMessage, ToRelayWorker } from './relay-messages.ts';
import type { FromWorker } from './worker-messages.ts';

class RelayThread extends PlayedThread<RelayWorkerData, ToRelayWorker> {
  /** The last question that it has heard. */
  get question(): Extract<ToRelayWorker, { id: number }> {
    return this.heard.findLast((heard) => 'id' in heard)!;
  }
}

class PlayedPorts extends MemoryPorts {
  readonly threads: RelayThread[] = [];
  override readonly clock = new MemoryClock();
  readonly workers: WorkerPorts = {
    clockOffset: 9_000,
    openSharedUdp: () => {
      throw new Error('a relay opens a tunnel');
    },
    takeOver: () => {
      throw new Error('a relay takes nothing over');
    },
    openPeerTunnel: () => {
      throw new Error('a relay divides by the client');
    },
    openSharedTunnel: (name, options, { workers }) => ({
      tun: this.openTun(name),
      udp: this.openUdp(options),
      others: Array.from({ length: workers - 1 }, (_, i) => ({ tun: 100 + i, udp: 200 + i })),
    }),
    adoptUdp: (_, options) => this.openUdp(options),
    adoptTun: (_, name) => this.openTun(name),
    discard: () => {},
    startThread: (_, data) => {
      const thread = new RelayThread(data, this.atStart);
      this.threads.push(thread);
      return thread;
    },
  };

  private readonly atStart: FromWorker | undefined;

  /** `atStart`: the first message of each thread. */
  constructor(atStart: FromWorker | 'silent' = { type: 'ready' }) {
    super(new MemoryIpv4Network(), [PRIMARY.address], seededEntropy(1));
    this.atStart = atStart === 'silent' ? undefined : atStart;
  }
}

async function relayOf(ports: PlayedPorts, settings: Partial<RelaySettings> = {}) {
  const relay = new Relay(
    {
      address: PRIMARY.address,
      port: 3545,
      interface: 'teredo',
      serve: ALL_NATIVE,
      workers: 3,
      ...settings,
    },
    ports,
  );
  onTestFinished(() => relay.close());
  const lost: string[] = [];
  relay.on('lost', ({ message }) => lost.push(message));
  await relay.start();
  for (const { heard } of ports.threads) heard.length = 0; // the host, as the last look in the start found it
  return { relay, lost, one: ports.threads[0]!, two: ports.threads[1]! };
}

test('each thread gets a queue, a socket and its part, and every change; the status adds up what they show', async () => {
  const ports = new PlayedPorts();
  const { relay, one, two } = await relayOf(ports);
  expect(ports.threads.map(({ data }) => [data.worker, data.tun, data.udp])).toEqual([
    [1, 100, 200],
    [2, 101, 201],
  ]);
  const part = relayWorkersPart(RELAY_LIMITS, 3);
  expect(two.data).toMatchObject({ limits: part, steering: one.data.steering, interface: 'teredo' });
  relay.setAccess(access('-192.0.2.0/24'));
  const limits = { ...RELAY_LIMITS, errors: { perSecond: 3, burst: 3 } };
  relay.setLimits(limits);
  for (const { heard } of [one, two])
    expect(heard).toMatchObject([
      { state: { access: { deny: [{ length: 24 }] } } },
      { state: { limits: { errors: { perSecond: 1, burst: 1 } } } },
    ]);
  expect(() => relay.setLimits({ ...RELAY_LIMITS, errors: { perSecond: 1, burst: 2 } })).toThrow(/divided/);
  for (const [i, { data }] of ports.threads.entries()) {
    const shown = new Float64Array(data.shown);
    shown[RELAY_COUNTERS.indexOf('receivedDatagrams')] = 5 + i;
    shown[RELAY_COUNTERS.length] = 10;
    shown[RELAY_COUNTERS.length + 2 + 3] = 1_000;
  }
  two.tell({
    type: 'report',
    portCounters: { 'tunWriteFailures.EIO': 3 },
    limits: [{ limit: 'by-source', times: 4, subjects: [] }],
  });
  expect(relay.status()).toMatchObject({
    counters: { receivedDatagrams: 11 },
    peers: { trusted: 20, unverified: 0 },
    traffic: { sentBytes: 2_000 },
    portCounters: { 'tunWriteFailures.EIO': 3 },
    limitsReached: ['by-source'],
    dataPath: { kind: 'user', reason: expect.stringContaining('several workers') as string },
  });
  expect(relay.status().workers.map(({ receivedDatagrams }) => receivedDatagrams)).toEqual([0, 5, 6]);
  await relay.close();
  expect(one.heard.at(-1)).toEqual({ type: 'close' });
});

test('a thread that ends by itself ends the relay, once', async () => {
  const { lost, one, two } = await relayOf(new PlayedPorts());
  two.lose(new Error('out of memory'));
  one.lose(new Error('out of memory'));
  expect(lost).toEqual(['worker 3 of 3: out of memory']);
});

test('datagrams of another worker are passed on to it, those of the first one are handled', async () => {
  const { relay, one, two } = await relayOf(new PlayedPorts());
  const batch = {
    count: 1,
    buffer: new Uint8Array(9),
    offsets: Uint32Array.of(0),
    lengths: Uint32Array.of(9),
    addresses: Uint32Array.of(1),
    ports: Uint16Array.of(2),
    tos: Uint8Array.of(0),
  };
  one.tell({ type: 'strays', to: 2, batch } satisfies StraysMessage);
  expect(two.heard.at(-1)).toEqual({ type: 'strays', to: 2, batch });
  one.tell({ type: 'strays', to: 0, batch } satisfies StraysMessage);
  expect(relay.counters['receivedDatagrams']).toBe(1);
});

const CLIENT = parseIpv6('2001:0:cb00:7178::34ff:3f00')!;
const PREFIX = parseIpv6('2001:db8::')!;

/** The peers of a worker that has this one, on a clock that is 500 ms behind that of the first thread. */
function recordsWith(client: Ipv6): Uint8Array[] {
  const limits = { trusted: 8, unverified: 8 };
  const peers = new PeerTable(limits, seededEntropy(2), () => {}, false);
  const peer = peers.insert(client, 0);
  peers.mappedPort[peer] = 1_234;
  peers.trust(peer, 0);
  peers.lastReceived.set(peer, 500);
  return [...recordsOf(peers, 9_500)].filter((records) => records !== undefined);
}

test('peers and users of all threads are asked for, and answers hold for a second', async () => {
  const ports = new PlayedPorts();
  const { relay, one, two } = await relayOf(ports);
  const gathering = relay.gatherPeers();
  const again = relay.gatherPeers();
  for (const records of [...recordsWith(CLIENT), new Uint8Array(0)])
    one.tell({ type: 'peers', id: one.question.id, records });
  two.tell({ type: 'peers', id: two.question.id, records: new Uint8Array(0) });
  await Promise.all([gathering, again]);
  expect(two.heard).toHaveLength(1);
  expect(relay.otherPeerCount).toBe(1);
  expect([...relay.otherPeers()]).toEqual([
    expect.objectContaining({
      address: CLIENT,
      mappedPort: 1_234,
      isTrusted: true,
      lastReceived: 1_000,
      lastSent: -Infinity,
    }),
  ]);
  await relay.gatherPeers();
  expect(two.heard).toHaveLength(1);

  const askingUsers = relay.gatherUsers('hour');
  const user = (address: Ipv6, sentBytes: number) => ({
    address,
    receivedBytes: 0,
    sentBytes,
    errorBytes: 0,
  });
  const of = (address: Ipv6, bytes: number, missedBytes: number) => ({
    totalBytes: bytes,
    missedBytes,
    users: [user(address, bytes)],
  });
  for (const [thread, bytes] of [
    [one, 100],
    [two, 200],
  ] as const)
    thread.tell({
      type: 'users',
      id: thread.question.id,
      users: { ms: 1, peers: of(CLIENT.with(15, bytes), bytes, 0), prefixes: of(PREFIX, bytes, bytes / 100) },
    });
  await askingUsers;
  const { peers, prefixes } = relay.users('hour');
  expect(peers).toMatchObject({ totalBytes: 300, users: [{ sentBytes: 200 }, { sentBytes: 100 }] });
  expect(prefixes).toEqual({ totalBytes: 300, missedBytes: 3, users: [user(PREFIX, 300)] });

  ports.clock.advance(2_000);
  const unanswered = relay.gatherPeers().catch(({ message }: Error) => message);
  ports.clock.advance(5_000);
  expect(await unanswered).toBe('a worker has not answered for 5 s');
});

test('an answer of many pieces may take long, if each comes in time', async () => {
  const ports = new PlayedPorts();
  const { relay, one, two } = await relayOf(ports);
  const gathering = relay.gatherPeers();
  two.tell({ type: 'peers', id: two.question.id, records: new Uint8Array(0) });
  for (let i = 0; i < 3; i++) {
    ports.clock.advance(4_000);
    const [records] = recordsWith(CLIENT);
    one.tell({ type: 'peers', id: one.question.id, records: records! });
  }
  one.tell({ type: 'peers', id: one.question.id, records: new Uint8Array(0) });
  await gathering;
  expect(relay.otherPeerCount).toBe(3);
});

test('a peer that sends nothing has the same time in each answer, however long the answer takes', async () => {
  const ports = new PlayedPorts();
  const { relay, one, two } = await relayOf(ports);
  const timeAfter = async (delay: number): Promise<number> => {
    const gathering = relay.gatherPeers();
    const records = recordsWith(CLIENT);
    ports.clock.advance(delay);
    for (const some of [...records, new Uint8Array(0)])
      one.tell({ type: 'peers', id: one.question.id, records: some });
    two.tell({ type: 'peers', id: two.question.id, records: new Uint8Array(0) });
    await gathering;
    return [...relay.otherPeers()][0]!.lastReceived;
  };
  const first = await timeAfter(0);
  ports.clock.advance(2_000);
  expect(await timeAfter(70)).toBe(first);
});

test('the answer of many peers holds longer: a minute for a million', async () => {
  const ports = new PlayedPorts();
  const { relay, one, two } = await relayOf(ports);
  const questions = (): number => one.heard.filter((message) => message.type === 'peers?').length;
  const answered = async (count: number): Promise<void> => {
    const gathering = relay.gatherPeers();
    one.tell({ type: 'peers', id: one.question.id, records: new Uint8Array(72 * count) });
    for (const thread of [one, two])
      thread.tell({ type: 'peers', id: thread.question.id, records: new Uint8Array(0) });
    await gathering;
  };
  await answered(500_000);
  ports.clock.advance(29_999);
  await relay.gatherPeers();
  expect(questions()).toBe(1);
  ports.clock.advance(1);
  await answered(1);
  expect(questions()).toBe(2);
});

test('closed while its threads start, a relay configures nothing more', async () => {
  const ports = new PlayedPorts('silent');
  const relay = new Relay(
    { address: PRIMARY.address, port: 3545, interface: 'teredo', serve: ALL_NATIVE, workers: 2 },
    ports,
  );
  const starting = relay.start();
  await relay.close();
  await expect(starting).rejects.toMatchObject({ code: 'closed-early' });
  expect([ports.tuns.size, ports.network.interfaces.size, ports.monitorCount]).toEqual([0, 0, 0]);
});
