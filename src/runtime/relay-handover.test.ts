import { setTimeout as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { at, seededEntropy, teredo, v6 } from '../../test/support/client-rig.ts';
import { MemoryHandover, wholeState } from '../../test/support/handover-rig.ts';
import { packetOf } from '../../test/support/machine-rig.ts';
import { PeerTable } from '../core/peer-table.ts';
import { RelayMachine } from '../core/relay/index.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { DatagramView, buildBubble, decodeDatagram, isBubble } from '../wire/index.ts';
import { relayState } from './handover-state.ts';
import { ALL_NATIVE, Relay } from './relay.ts';

const ADDRESS = at('192.0.2.10:3545');
const SERVER = at('198.51.100.1:3544');
const MAPPED = at('203.0.113.7:40000');
const NATIVE = v6('2001:db8::1');
const CLIENT = teredo(SERVER, MAPPED);

/** A process of the relay, which takes over this state. `left`: its last state. */
function relayProcess(wire: MemoryIpv4Network, state?: Uint8Array) {
  const clock = new MemoryClock();
  const ports = new MemoryPorts(wire, [ADDRESS.address], seededEntropy(1), clock);
  const handover = new MemoryHandover(state);
  const { network } = ports;
  const addRoute = network.addRoute.bind(network);
  network.addRoute = async (...route) => {
    await turn(); // the answer of a kernel, too, comes in a later turn of the event loop
    await addRoute(...route);
  };
  const relay = new Relay(
    {
      address: ADDRESS.address,
      port: ADDRESS.port,
      interface: 'teredo',
      serve: ALL_NATIVE,
      dataPath: 'user',
    },
    Object.assign(ports, { handover }),
  );
  return { relay, clock, tun: () => ports.tuns.get('teredo')!, left: () => handover.next! };
}

/** A client that is reached through its server, and answers bubbles once `answers` is set. Packets to it are `received` by their lengths. */
function clientOn(wire: MemoryIpv4Network) {
  const client = { answers: false, bubbles: 0, received: [] as number[] };
  const [server, own] = [SERVER, MAPPED].map(({ address, port }) => wire.bind(address, port, address));
  const view = new DatagramView();
  server!.start((batch) => {
    for (let i = 0; i < batch.count; i++) {
      const [start, length] = [batch.offsets[i]!, batch.lengths[i]!];
      if (decodeDatagram(batch.buffer, start, start + length, view) !== undefined) continue;
      if (!isBubble(batch.buffer, view.ipv6Start)) continue;
      client.bubbles++;
      const source = batch.buffer.slice(view.ipv6Start + 8, view.ipv6Start + 24);
      const answer = buildBubble(CLIENT, source, 64);
      if (client.answers) own!.send(answer, 0, answer.length, ADDRESS.address, ADDRESS.port);
    }
    own!.flush();
  });
  own!.start((batch) => {
    for (let i = 0; i < batch.count; i++) client.received.push(batch.lengths[i]! - 40);
  });
  return client;
}

test('a packet that waits for a new peer goes to the next process, and comes before those in the queue of the interface', async () => {
  const wire = new MemoryIpv4Network();
  const client = clientOn(wire);
  const first = relayProcess(wire);
  await first.relay.start();
  first.tun().offer(packetOf(NATIVE, CLIENT, 1));
  await eventually(() => expect(client.bubbles).toBe(1));
  await first.relay.close();

  client.answers = true;
  const next = relayProcess(wire, first.left());
  const started = next.relay.start();
  next.tun().offer(packetOf(NATIVE, CLIENT, 2));
  await started;
  await eventually(() => expect(client.received).toEqual([1, 2]));
  await next.relay.close();
});

/** The state of a relay without peers, with a packet for each of `count` clients from each of as many /64s. */
function stateWith(count: number): Uint8Array {
  const peers = new PeerTable({ trusted: 1, unverified: 1 }, seededEntropy(1), () => {}, false);
  const packets = Array.from({ length: count }, (_, i) =>
    packetOf(v6(`2001:db8:2:${i.toString(16)}::1`), teredo(SERVER, { ...MAPPED, port: 1_024 + i }), i),
  );
  return wholeState(relayState(peers, 0, () => packets));
}

test('very many packets that have waited are handled in turns, and the commands of each are carried out before the next', async () => {
  const real = performance.now.bind(performance);
  let later = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => real() + (later += 2)); // each step takes a whole turn
  onTestFinished(() => void vi.restoreAllMocks());
  const wire = new MemoryIpv4Network();
  const client = clientOn(wire);
  const handlePacket = Reflect.get(RelayMachine.prototype, 'handlePacket') as RelayMachine['handlePacket'];
  vi.spyOn(RelayMachine.prototype, 'handlePacket').mockImplementation(function (
    this: RelayMachine,
    ...input
  ) {
    expect(this.commands.length).toBe(0);
    handlePacket.apply(this, input);
  });
  const next = relayProcess(wire, stateWith(300));
  const started = next.relay.start();
  await eventually(() => expect(client.bubbles).toBeGreaterThan(0));
  expect(client.bubbles).toBeLessThanOrEqual(32);
  next.clock.advance(1);
  await started;
  await eventually(() => expect(client.bubbles).toBe(300));
  await next.relay.close();
});
