/** A worker of a client in memory: its thread is played. */
import { expect, onTestFinished, test } from 'vitest';
import { data, seededEntropy, v4, v6 } from '../../../test/support/client-rig.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import type { WorkerPorts } from '../../io/workers/worker-ports.ts';
import type { ClientWorkerData, FromClientWorker } from './client-messages.ts';
import { ClientWorkerPart } from './client-worker-part.ts';
import { SHOWN_NUMBERS } from './client-shown.ts';

const [OWN, PEER] = [v6('2001:0:c000:201::2'), v6('2001:0:c000:201::1')];
const [HERE, THERE] = [v4('192.0.2.10'), v4('192.0.2.11')];
const PORT = 4_096;

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A worker that has the peer, and the peer's socket. */
function rig() {
  const wire = new MemoryIpv4Network();
  const clock = new MemoryClock();
  const ports = new MemoryPorts(wire, [HERE], seededEntropy(1), clock);
  const adopt: Partial<WorkerPorts> = {
    adoptUdp: (_, options) => ports.openUdp(options),
    adoptTun: (_, name) => ports.openTun(name),
  };
  const said: FromClientWorker[] = [];
  const thread = { isClosed: false, tell: (_: object): void => {} };
  const shown = new SharedArrayBuffer(8 * SHOWN_NUMBERS);
  const part = { own: OWN, interface: 'teredo', address: HERE, port: PORT, most: 8, tun: 1, udp: 2, shown };
  const parent = {
    data: part satisfies ClientWorkerData,
    post: (message: object) => void said.push(structuredClone(message) as FromClientWorker),
    onMessage: (handle: (message: object) => void) => void (thread.tell = handle),
    close: () => void (thread.isClosed = true),
  };
  new ClientWorkerPart(parent, Object.assign(ports, { workers: adopt as WorkerPorts })).start();
  const place = { address: THERE, port: PORT, heardMsAgo: 0 };
  thread.tell({ type: 'peers', steps: [{ peer: PEER, place }] });
  const peer = wire.bind(THERE, PORT, THERE);
  onTestFinished(() => peer.close());
  const send = (packet: Uint8Array): void => {
    peer.send(packet, 0, packet.length, HERE, PORT);
    peer.flush();
  };
  return { clock, said, thread, send, delivered: ports.tuns.get('teredo')!.delivered };
}

test('at its end a worker carries the packets that wait for it, and hands back the others', async () => {
  const { clock, said, thread, send, delivered } = rig();
  const known = data(PEER, OWN, 60);
  send(known);
  send(data(v6('2001:db8::7'), OWN, 60));
  thread.tell({ type: 'close' });
  expect(thread.isClosed).toBe(false);
  await turns();
  expect(delivered).toEqual([known]);
  expect(said.filter(({ type }) => type === 'left')).toHaveLength(1);
  clock.advance(10);
  expect(thread.isClosed).toBe(true);
  expect(said.at(-1)).toMatchObject({ type: 'report' });
});

test('a worker to which packets come without end ends nevertheless, after 100 ms', async () => {
  const { clock, thread, send } = rig();
  thread.tell({ type: 'close' });
  let passed = 0;
  while (!thread.isClosed) {
    send(data(PEER, OWN, 60));
    await turns();
    clock.advance(5);
    passed += 5;
  }
  expect(passed).toBe(100);
});
