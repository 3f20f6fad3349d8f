/** A server's first thread, with threads that a test plays. */
import { expect, onTestFinished, test } from 'vitest';
import { PRIMARY, seededEntropy } from '../../../test/support/client-rig.ts';
import { access } from '../../../test/support/access.ts';
import { PlayedThread } from '../../../test/support/played-thread.ts';
import { SERVER_LIMITS, workersPart } from '../../core/server/index.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import type { WorkerPorts } from '../../io/workers/worker-ports.ts';
import { Server } from '../server.ts';
import type { ServerSettings } from '../server.ts';
import type { ServerWorkerData, ToServerWorker } from './server-messages.ts';
import type { FromWorker } from './worker-messages.ts';

class ServerThread extends PlayedThread<ServerWorkerData, ToServerWorker> {}

/** `atStart`: the first message of each thread. */
class PlayedPorts extends MemoryPorts {
  readonly threads: ServerThread[] = [];
  readonly discarded: number[] = [];
  override readonly clock = new MemoryClock();
  readonly workers: WorkerPorts = {
    clockOffset: 0,
    openSharedUdp: (options, count) => ({
      own: this.openUdp(options),
      others: Array.from({ length: count - 1 }, (_, i) => 100 + i),
    }),
    takeOver: (left, options) => ({ own: this.openUdp(options), others: left.slice(1) }),
    openSharedTunnel: () => {
      throw new Error('a server has no tunnel');
    },
    openPeerTunnel: () => {
      throw new Error('a server has no tunnel');
    },
    adoptTun: (_, name) => this.openTun(name),
    adoptUdp: (_, options) => this.openUdp(options),
    discard: (other) => void this.discarded.push(other),
    startThread: (_, data) => {
      const thread = new ServerThread(data, this.atStart);
      this.threads.push(thread);
      return thread;
    },
  };
  private readonly atStart: FromWorker | undefined;

  constructor(atStart?: FromWorker) {
    super(new MemoryIpv4Network(), [PRIMARY.address], seededEntropy(1));
    this.atStart = atStart;
  }
}

async function serverOf(ports: PlayedPorts, settings: Partial<ServerSettings> = {}) {
  const server = new Server(
    { address: PRIMARY.address, native: false, dataPath: 'user', workers: 3, ...settings },
    ports,
  );
  onTestFinished(() => server.close());
  const lost: string[] = [];
  server.on('lost', ({ message }) => lost.push(message));
  await server.start();
  return { server, lost };
}

const READY: FromWorker = { type: 'ready' };

test('each thread gets its socket and its part, and every change; the status adds up what they report', async () => {
  const ports = new PlayedPorts(READY);
  const keys = new Map([['00', { secret: new Uint8Array([1]) }]]);
  const { server } = await serverOf(ports, { keys });
  const [one, two] = ports.threads;
  expect(ports.threads.map(({ data }) => data.primary)).toEqual([100, 101]);
  expect(two!.data).toMatchObject({ limits: workersPart(SERVER_LIMITS, 3), keys });
  server.setAccess(access('-192.0.2.0/24'));
  const limits = { ...SERVER_LIMITS, forwardedIcmpByPair: { perSecond: 1, burst: 1 } };
  server.setLimits(limits);
  server.setKeys(new Map());
  for (const { heard } of [one!, two!])
    expect(heard).toMatchObject([
      { state: { access: { deny: [{ length: 24 }] } } },
      { state: { limits: workersPart(limits, 3) } },
      { state: { keys: new Map() } },
    ]);
  new Float64Array(one!.data.counters)[0] = 5;
  new Float64Array(two!.data.counters)[0] = 7;
  one!.tell({ type: 'report', portCounters: { 'udpSendFailures.EPERM': 2 }, limits: [] });
  two!.tell({
    type: 'report',
    portCounters: { 'udpSendFailures.EPERM': 3 },
    limits: [{ limit: 'answers', times: 4, subjects: [] }],
  });
  expect(server.status()).toMatchObject({
    counters: { receivedDatagrams: 12 },
    portCounters: { 'udpSendFailures.EPERM': 5 },
    limitsReached: ['answers'],
    workers: [{ receivedDatagrams: 0 }, { receivedDatagrams: 5 }, { receivedDatagrams: 7 }],
  });
  await server.close();
  expect(one!.heard.at(-1)).toEqual({ type: 'close' });
  expect(ports.discarded).toEqual([]);
});

test('a thread that ends by itself, and one that hangs, are reported, once', async () => {
  const ports = new PlayedPorts(READY);
  const { lost } = await serverOf(ports);
  ports.threads[1]!.lose(new Error('out of memory'));
  ports.threads[0]!.lose(new Error('out of memory'));
  expect(lost).toEqual(['worker 3 of 3: out of memory']);
  const others = new PlayedPorts(READY);
  const hanging = await serverOf(others);
  others.clock.advance(600_000);
  expect(hanging.lost).toEqual([]);
  others.threads[0]!.answersPings = false;
  others.clock.advance(60_000);
  expect(hanging.lost).toEqual(['worker 2 of 3: it has not answered for 30 s']);
});

test('a thread that cannot open its part makes the start fail with its reason', async () => {
  const refusal = { type: 'refused', code: 'not-permitted', message: 'no rights' } as const;
  const ports = new PlayedPorts(refusal);
  await expect(serverOf(ports)).rejects.toMatchObject({ code: 'not-permitted', message: 'no rights' });
  for (const { heard } of ports.threads) expect(heard.at(-1)).toEqual({ type: 'close' });
});

test('a thread that dies in its start makes the start fail', async () => {
  const ports = new PlayedPorts();
  const starting = serverOf(ports);
  await Promise.resolve();
  ports.threads[0]!.lose(new Error('no memory'));
  await expect(starting).rejects.toThrow('worker 2 of 3: no memory');
});

test('a thread that hangs in its start makes the start fail', async () => {
  const ports = new PlayedPorts();
  const starting = serverOf(ports);
  await Promise.resolve();
  const [one, two] = ports.threads;
  two!.tell(READY);
  one!.answersPings = false;
  ports.clock.advance(60_000);
  await expect(starting).rejects.toThrow('worker 2 of 3: it has not answered for 30 s');
});

test('closed while a thread hangs in its start, it ends, opens nothing more, and sets no timer', async () => {
  const ports = new PlayedPorts();
  const server = new Server({ address: PRIMARY.address, native: false, workers: 2 }, ports);
  const starting = server.start();
  await server.close();
  await expect(starting).rejects.toMatchObject({ code: 'closed-early' });
  const [thread] = ports.threads;
  thread!.tell(READY);
  ports.clock.advance(60_000);
  expect(thread!.heard).toEqual([{ type: 'close' }]);
});

test('a change of the host while the threads start reaches them, and one before is in their data', async () => {
  const ports = new PlayedPorts();
  const server = new Server({ address: PRIMARY.address, native: false, dataPath: 'user', workers: 2 }, ports);
  onTestFinished(() => server.close());
  const [early, late] = [20, 24].map((prefixLength) => [
    { address: PRIMARY.address, prefixLength, interface: 'lan' },
  ]);
  ports.network.subnets = early!;
  const starting = server.start();
  ports.network.subnets = late!;
  ports.networkChanged();
  ports.clock.advance(1_000);
  const [thread] = ports.threads;
  expect(thread!.data.subnets).toEqual(early);
  expect(thread!.heard).toEqual([{ type: 'change', state: { subnets: late } }]);
  thread!.tell(READY);
  await starting;
});
