/** A relay adopts the peers of its predecessor in turns of the event loop. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { at, seededEntropy, teredo, v4 } from '../../test/support/client-rig.ts';
import { MemoryHandover, wholeState } from '../../test/support/handover-rig.ts';
import { slowSteps } from '../../test/support/slow-steps.ts';
import { PeerTable } from '../core/peer-table.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { relayState } from './handover-state.ts';
import { ALL_NATIVE, Relay } from './relay.ts';

const SERVER = at('198.51.100.118:3544');
const PEERS = 600;
/** When the predecessor wrote its state. */
const WRITTEN = 1_000_000;

function stateOf(count: number, packets: readonly Uint8Array[] = []): Uint8Array {
  const limits = { trusted: count, unverified: count };
  const table = new PeerTable(limits, seededEntropy(1), () => {}, false);
  for (let i = 0; i < count; i++) {
    const mapped = at(`8.8.${i >> 8}.${i & 255}:8192`);
    const peer = table.insert(teredo(SERVER, mapped), 0);
    table.mappedAddress[peer] = mapped.address;
    table.mappedPort[peer] = mapped.port;
    table.lastReceived.set(peer, WRITTEN - 1_000);
    table.trust(peer, WRITTEN);
  }
  return wholeState(relayState(table, WRITTEN, () => packets));
}

function rig(state = stateOf(PEERS)) {
  const clock = new MemoryClock();
  const address = v4('203.0.113.130');
  const ports = new MemoryPorts(new MemoryIpv4Network(), [address], seededEntropy(2), clock);
  Object.assign(ports, { handover: new MemoryHandover(state) });
  const relay = new Relay(
    { address, port: 3545, interface: 'teredo', serve: ALL_NATIVE, dataPath: 'user' },
    ports,
  );
  onTestFinished(() => relay.close());
  slowSteps();
  return { clock, ports, relay };
}

test('some peers in each turn; the interface is opened after the last one, so no packet of theirs is taken for a stranger', async () => {
  const { clock, ports, relay } = rig();
  const seen: [peers: number, isOpen: boolean][] = [];
  const setTimer = clock.setTimer.bind(clock);
  vi.spyOn(clock, 'setTimer').mockImplementation((when, fn) =>
    setTimer(when, () => {
      seen.push([relay.adoptedPeers, ports.tuns.size > 0]);
      fn();
    }),
  );
  const started = relay.start();
  clock.advance(1);
  await started;
  expect(seen.slice(0, 2)).toEqual([
    [256, false],
    [512, false],
  ]);
  expect([relay.adoptedPeers, ports.tuns.size]).toEqual([PEERS, 1]);
});

test('a relay that is closed meanwhile opens nothing', async () => {
  const { clock, ports, relay } = rig();
  const started = relay.start();
  started.catch(() => {}); // it fails below
  await relay.close();
  clock.advance(1);
  await expect(started).rejects.toMatchObject({ code: 'closed-early' });
  expect([ports.tuns.size, ports.sockets.size]).toEqual([0, 0]);
});

test('a relay that is closed while it handles packets that waited does not set up the interface', async () => {
  const packets = Array.from({ length: 200 }, () => new Uint8Array(48));
  const { clock, ports, relay } = rig(stateOf(1, packets));
  const warnings: string[] = [];
  relay.on('warning', (message) => warnings.push(message));
  const setUp = vi.spyOn(ports.tunnelHost, 'addAddress');
  const started = relay.start();
  started.catch(() => {}); // it fails below
  await Promise.resolve();
  expect(ports.tuns.size).toBe(1);
  await relay.close();
  clock.advance(1);
  await expect(started).rejects.toMatchObject({ code: 'closed-early' });
  expect([setUp.mock.calls.length, warnings, ports.tuns.size]).toEqual([0, [], 0]);
});
