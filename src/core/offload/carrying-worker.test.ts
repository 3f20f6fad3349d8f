import { beforeEach, expect, test } from 'vitest';
import { bubble, seededEntropy, v6 } from '../../../test/support/client-rig.ts';
import { packetOf } from '../../../test/support/machine-rig.ts';
import type { CommandExecutor } from '../commands.ts';
import { addTraffic } from '../peer-traffic.ts';
import { trafficAt } from './carried.ts';
import type { Carried } from './carried.ts';
import { CarryingWorker } from './carrying-worker.ts';

const PEER = v6('2001:0:c000:201::1');
const OWN = v6('2001:0:c000:201::2');
const STRANGER = v6('2001:0:c000:201::3');
const PLACE = { address: 0xc0000201, port: 4096 };

let worker: CarryingWorker;
let said: string[];
let reports: Carried[];

const executor: CommandExecutor = {
  transmit: (_socket, _b, start, end, address, port) =>
    void said.push(`sent ${end - start} to ${address === PLACE.address}:${port}`),
  deliver: (_b, start, end) => void said.push(`delivered ${end - start}`),
  offload: () => {},
  unload: () => {},
  event: () => {},
};

/** With PEER, last heard at 0. */
beforeEach(() => {
  said = [];
  reports = [];
  worker = new CarryingWorker(2, seededEntropy(1), {
    took: () => said.push('took'),
    gaveUp: () => said.push('gave up'),
    carried: (report) => reports.push(report),
    leftDatagram: () => said.push('left a datagram'),
    leftPacket: () => said.push('left a packet'),
  });
  worker.setOwn(OWN);
  worker.give(PEER, PLACE, 0, 0);
});

function out(packet: Uint8Array, now: number): string[] {
  said = [];
  worker.handlePacket(packet, 0, packet.length, now);
  worker.commands.drain(executor);
  return said;
}

function comesIn(packet: Uint8Array, now: number, { address, port } = PLACE, tos = 0): string[] {
  said = [];
  worker.handleDatagram(0, packet, 0, packet.length, address, port, now, tos);
  worker.commands.drain(executor);
  return said;
}

test('it carries packets of a peer that it has, from and to its place, and leaves all others', () => {
  expect(said).toEqual(['took']);
  expect(out(packetOf(OWN, PEER, 60), 1)).toEqual(['sent 100 to true:4096']);
  expect(comesIn(packetOf(PEER, OWN, 60), 1)).toEqual(['delivered 100']);
  expect(out(packetOf(OWN, STRANGER), 1)).toEqual(['left a packet']);
  expect(out(packetOf(STRANGER, PEER), 1)).toEqual(['left a packet']);
  expect(out(packetOf(OWN, PEER, 1_241), 1)).toEqual(['left a packet']);
  expect(comesIn(packetOf(PEER, OWN), 1, { ...PLACE, port: 1 })).toEqual(['left a datagram']);
  expect(comesIn(packetOf(PEER, STRANGER), 1)).toEqual(['left a datagram']);
  expect(comesIn(bubble(PEER, OWN), 1)).toEqual(['left a datagram']);
  expect(comesIn(new Uint8Array(3), 1)).toEqual(['left a datagram']);
  worker.setOwn(undefined);
  expect(out(packetOf(OWN, PEER), 2)).toEqual(['left a packet']);
  expect(comesIn(packetOf(PEER, OWN), 2)).toEqual(['left a datagram']);
  worker.setOwn(OWN);
  worker.takeBack(PEER);
  expect(out(packetOf(OWN, PEER), 3)).toEqual(['left a packet']);
});

test('CL-60: a peer that was not heard for 30 s is given up with the next packet to it', () => {
  expect(out(packetOf(OWN, PEER), 29_999)).toEqual([expect.stringMatching(/^sent/)]);
  expect(out(packetOf(OWN, PEER), 30_000)).toEqual(['gave up', 'left a packet']);
  expect(out(packetOf(OWN, PEER), 30_001)).toEqual(['left a packet']);
  said = [];
  worker.give(PEER, PLACE, 31_000, 31_000);
  expect(said).toEqual(['took']);
  worker.give(PEER, { ...PLACE, port: 5 }, 31_001, 31_001);
  expect(said).toEqual(['took']);
  expect(out(packetOf(OWN, PEER), 31_002)).toEqual(['sent 48 to true:5']);
});

test('a peer that is heard stays for 30 s more', () => {
  comesIn(packetOf(PEER, OWN), 20_000);
  expect(out(packetOf(OWN, PEER), 49_999)).toEqual([expect.stringMatching(/^sent/)]);
});

test('what it has carried is reported within 500 ms, with the times of the last packets; a packet that is only sent hears nobody', () => {
  out(packetOf(OWN, PEER, 60), 10);
  out(packetOf(OWN, PEER, 60), 20);
  expect(worker.pollTimeout()).toBe(510);
  worker.handleTimeout(509);
  expect(reports).toEqual([]);
  worker.handleTimeout(510);
  expect(reports).toMatchObject([
    { count: 1, receivedAt: Float64Array.of(-Infinity), sentAt: Float64Array.of(20) },
  ]);
  expect(reports[0]!.buffer).toEqual(PEER);
  comesIn(packetOf(PEER, OWN, 60), 700);
  worker.handleTimeout(1_200);
  expect(reports[1]).toMatchObject({ receivedAt: Float64Array.of(700), sentAt: Float64Array.of(-Infinity) });
  const traffic = reports.map((report) => trafficAt(report, 0)).reduce(addTraffic);
  const whole = { receivedPackets: 1, receivedBytes: 100, sentPackets: 2, sentBytes: 200 };
  expect(traffic).toEqual(whole);
  expect(worker.traffic).toEqual(whole);
  expect(worker.pollTimeout()).toBe(Infinity);
});

test('CL-85: packets to a peer that is silent for a second are reported at once, four times a second at the most', () => {
  out(packetOf(OWN, PEER), 999);
  expect(worker.pollTimeout()).toBe(1_499);
  out(packetOf(OWN, PEER), 1_000);
  expect(worker.pollTimeout()).toBe(1_000);
  worker.handleTimeout(1_000);
  expect(reports).toHaveLength(1);
  out(packetOf(OWN, PEER), 1_100);
  expect(worker.pollTimeout()).toBe(1_499);
  out(packetOf(OWN, PEER), 1_250);
  expect(worker.pollTimeout()).toBe(1_250);
});

/** A worker with so many peers, all last heard at 0. */
function withPeers(count: number): Uint8Array[] {
  worker = new CarryingWorker(count, seededEntropy(1), {
    took: () => {},
    gaveUp: () => {},
    carried: (report) => reports.push(report),
    leftDatagram: () => {},
    leftPacket: () => {},
  });
  worker.setOwn(OWN);
  return Array.from({ length: count }, (_, i) => {
    const peer = PEER.slice();
    [peer[14], peer[15]] = [i >> 8, i & 0xff];
    worker.give(peer, PLACE, 0, 0);
    return peer;
  });
}

/** Lets it report all that is due before `end`. */
function passUntil(end: number): void {
  for (let at = worker.pollTimeout(); at < end; at = worker.pollTimeout()) worker.handleTimeout(at);
}

test('a packet to a silent peer causes an early report of that peer alone', () => {
  const [silent, ...others] = withPeers(100) as [Uint8Array, ...Uint8Array[]];
  for (const other of others) comesIn(packetOf(other, OWN), 2_000);
  out(packetOf(OWN, silent), 2_100);
  passUntil(2_101);
  expect(reports).toMatchObject([{ count: 1, buffer: silent }]);
  passUntil(3_000);
  expect(reports.map(({ count }) => count)).toEqual([1, 99]);
});

test('of many silent peers 16 are reported early each 20 ms, in the order in which they came, and each within 500 ms', () => {
  const peers = withPeers(1_000);
  for (const peer of peers) out(packetOf(OWN, peer), 2_000);
  passUntil(2_050);
  expect(reports.map(({ count }) => count)).toEqual([16, 16, 16]);
  expect(reports[0]!.buffer.slice(0, 16)).toEqual(peers[0]);
  passUntil(2_501);
  const reported = reports.reduce((sum, { count }) => sum + count, 0);
  expect([reported, worker.pollTimeout()]).toEqual([1_000, Infinity]);
});

test('a peer that is taken back is reported early no more', () => {
  const [peer] = withPeers(2) as [Uint8Array];
  out(packetOf(OWN, peer), 2_000);
  worker.takeBack(peer);
  worker.give(STRANGER, PLACE, 2_000, 2_000);
  out(packetOf(OWN, STRANGER), 2_001);
  passUntil(2_400);
  expect(reports).toMatchObject([{ buffer: peer }]);
});

test('the traffic of a peer is reported when it is taken back', () => {
  out(packetOf(OWN, PEER, 60), 10);
  worker.takeBack(PEER);
  expect(reports).toMatchObject([
    { count: 1, sentPackets: Float64Array.of(1), sentBytes: Float64Array.of(100) },
  ]);
  worker.handleTimeout(1_000);
  expect(reports).toHaveLength(1);
});

test('a peer that takes the slot of another is reported once, with its own traffic', () => {
  out(packetOf(OWN, PEER, 60), 10);
  worker.takeBack(PEER);
  worker.give(STRANGER, PLACE, 20, 20);
  out(packetOf(OWN, STRANGER, 60), 30);
  worker.handleTimeout(510);
  expect(reports).toMatchObject([
    { buffer: PEER, count: 1 },
    { buffer: STRANGER, count: 1, sentPackets: Float64Array.of(1) },
  ]);
});

test('many peers are reported in pieces, so that the first thread can carry packets in between', () => {
  for (const peer of withPeers(3_000)) out(packetOf(OWN, peer), 0);
  while (worker.pollTimeout() <= 500) worker.handleTimeout(500);
  expect(reports.map(({ count }) => count)).toEqual([1_024, 1_024, 952]);
});

test('N-8: a mark that the packet cannot have drops it, and is a sign of life', () => {
  expect(comesIn(packetOf(PEER, OWN), 5, PLACE, 3)).toEqual([]);
  expect(worker.counters).toMatchObject({ receivedDatagrams: 1, deliveredPackets: 0, droppedEcn: 1 });
  worker.handleTimeout(505);
  expect(reports).toMatchObject([{ receivedAt: Float64Array.of(5), receivedPackets: Float64Array.of(0) }]);
});

test('it takes no more peers than it may', () => {
  said = [];
  worker.give(STRANGER, PLACE, 0, 0);
  worker.give(v6('2001:db8::1'), PLACE, 0, 0);
  expect(said).toEqual(['took']);
  expect(out(packetOf(OWN, v6('2001:db8::1')), 1)).toEqual(['left a packet']);
});
