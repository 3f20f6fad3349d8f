/** Which unwrapped packets go through the merging pair, and what its other end takes: bpf/merging.h. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { PAIR_LOOK, PAIR_QUEUE, UNIT_SHIFT, UPLINK } from '../../src/linux/bpf/layout.ts';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import { PairQueues } from '../../src/linux/bpf/pair-queues.ts';
import { writeRecord } from '../../src/linux/bpf/records.ts';
import { VERDICT, testRun } from '../../src/linux/bpf/test-run.ts';
import { Memory } from '../../src/linux/libc.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { buildIpv4Udp } from '../../src/sim/pcap.ts';
import { NEXT_HEADER, parsePrefix, transportChecksum, writeUint16 } from '../../src/wire/index.ts';
import { CarryingPrograms, ETHERNET, PAIR, monotonic } from '../support/carrying-programs.ts';
import { at, data, v6 } from '../support/client-rig.ts';
import { upFor } from '../support/uptime.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const LOCAL = at('192.0.2.1:3545');
const PLACE = at('198.51.100.7:40000');
const FLAG = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, ECE: 64 } as const;
const TCP = 40;
const TCP_HEADER = 20;
/** The pair is not seen to be stuck, however slow the machine is. */
const AHEAD_MS = 60_000;

let programs: CarryingPrograms;
beforeAll(async () => {
  await upFor(35_000);
  enterNewNetwork();
  programs = new CarryingPrograms(LOCAL, false, true);
});
afterAll(() => programs.close());
beforeEach(() => {
  programs.configure({ role: 'client', own: OWN, serve: [parsePrefix('2000::/3')!] });
  programs.put(PEER, 0, PLACE, monotonic());
  programs.setUplink(0, 1, LOCAL.address);
  setQueue({ sent: 0, arrived: 0, sentAt: 0, arrivedAt: monotonic() + AHEAD_MS });
  writeRecord(programs.program.map('pair_looks'), 0, PAIR_LOOK.SIZE, () => {});
});

/** A TCP segment of the peer with so much data. */
function segment(flags: number, octets: number): Uint8Array {
  const packet = data(PEER, OWN, TCP + TCP_HEADER + octets);
  packet[6] = NEXT_HEADER.TCP;
  packet.fill(0, TCP, TCP + TCP_HEADER);
  packet[TCP + 12] = (TCP_HEADER / 4) << 4;
  packet[TCP + 13] = flags;
  writeUint16(packet, TCP + 16, transportChecksum(packet, 0, NEXT_HEADER.TCP, TCP, packet.length));
  return packet;
}

/** Where an arriving packet of the peer goes, and the frame that gets there. */
function arrives(packet: Uint8Array): {
  readonly to: 'pair' | 'tunnel' | 'nowhere';
  readonly frame: Uint8Array;
} {
  const datagram = buildIpv4Udp({
    source: PLACE.address,
    sourcePort: PLACE.port,
    destination: LOCAL.address,
    destinationPort: LOCAL.port,
    timeToLive: 64,
    payload: packet,
  });
  const written = new Uint8Array(ETHERNET + datagram.length);
  writeUint16(written, ETHERNET - 2, 0x0800);
  written.set(datagram, ETHERNET);
  const run = () => testRun(programs.program.program('decap'), written);
  const first = run();
  // One that may be late is left to the socket at first, as a sample.
  const { verdict, frame } = first.verdict === VERDICT.goOn ? run() : first;
  if (verdict === VERDICT.dropped) return { to: 'nowhere', frame };
  expect(verdict).toBe(VERDICT.carried);
  expect(frame.subarray(ETHERNET)).toEqual(packet);
  return { to: Buffer.compare(frame.subarray(6, 10), PAIR) === 0 ? 'pair' : 'tunnel', frame };
}

function comesOut(frame: Uint8Array): number {
  return testRun(programs.program.program('merged'), frame).verdict;
}

/** As the programs count time. */
function units(ms: number): number {
  return Math.floor((ms * 1e6) / 2 ** UNIT_SHIFT) >>> 0;
}

const queuesOf = (): PairQueues =>
  new PairQueues(programs.program.map('pair_queues'), programs.program.map('pair_looks'), 1);

/** Times: ms of CLOCK_MONOTONIC. */
function setQueue(queue: Readonly<Record<'sent' | 'arrived' | 'sentAt' | 'arrivedAt', number>>): void {
  writeRecord(programs.program.map('pair_queues'), 0, PAIR_QUEUE.SIZE, (view) => {
    view.setUint32(PAIR_QUEUE.sent, queue.sent, true);
    view.setUint32(PAIR_QUEUE.arrived, queue.arrived, true);
    view.setUint32(PAIR_QUEUE.sentAt, units(queue.sentAt), true);
    view.setUint32(PAIR_QUEUE.arrivedAt, units(queue.arrivedAt), true);
  });
}

/** Changes the record of the uplink. */
function change(write: (view: DataView) => void): void {
  const [key, value] = [new Memory(4), new Memory(UPLINK.SIZE)];
  const map = programs.program.map('uplinks');
  check('lookup', libbpf().lookup(map, key.address, value.address));
  write(value.view);
  check('update', libbpf().update(map, key.address, value.address, 0));
}

test.each<[string, Uint8Array, 'pair' | 'tunnel']>([
  ['data', segment(FLAG.ACK, 1_000), 'pair'],
  ['one octet of data', segment(FLAG.ACK, 1), 'pair'],
  ['data and PSH', segment(FLAG.ACK | FLAG.PSH, 1_000), 'pair'],
  ['an acknowledgement', segment(FLAG.ACK, 0), 'tunnel'],
  ['an acknowledgement with ECE', segment(FLAG.ACK | FLAG.ECE, 0), 'pair'],
  ['SYN', segment(FLAG.SYN, 0), 'pair'],
  ['FIN', segment(FLAG.ACK | FLAG.FIN, 0), 'pair'],
  ['RST', segment(FLAG.RST, 0), 'pair'],
  ['UDP', data(PEER, OWN, 100), 'tunnel'],
])('%s', (_, packet, to) => {
  expect(arrives(packet).to).toBe(to);
});

test('the other end takes what was sent there, and nothing else', () => {
  const { frame } = arrives(segment(FLAG.ACK, 100));
  expect(frame.subarray(0, 6)).toEqual(new Uint8Array(6));
  expect(comesOut(frame)).toBe(VERDICT.carried);
  for (const octet of [0, 5, 6, 9, 12, 13]) {
    const other = frame.slice();
    other[octet]! ^= 1;
    expect(comesOut(other)).toBe(VERDICT.dropped);
  }
});

test('packets that went in and did not come out are lost after two looks', () => {
  const queues = queuesOf();
  const [first] = [arrives(segment(FLAG.ACK, 100)), arrives(segment(FLAG.ACK, 100))];
  expect(comesOut(first!.frame)).toBe(VERDICT.carried);
  expect(queues.areEmpty()).toBe(false);
  queues.look();
  expect(queues.lost).toBe(0);
  queues.look();
  expect(queues.lost).toBe(1);
  expect(queues.areEmpty()).toBe(true);
});

test('a pair from which nothing comes is not used', () => {
  const now = monotonic();
  setQueue({ sent: 5, arrived: 1, sentAt: now - 300, arrivedAt: now - 200 });
  expect(arrives(segment(FLAG.ACK, 100)).to).toBe('tunnel');
  setQueue({ sent: 5, arrived: 1, sentAt: now - 300, arrivedAt: now + AHEAD_MS });
  expect(arrives(segment(FLAG.ACK, 100)).to).toBe('pair');
  setQueue({ sent: 5, arrived: 1, sentAt: now + AHEAD_MS, arrivedAt: now - 200 });
  expect(arrives(segment(FLAG.ACK, 100)).to).toBe('pair');
  setQueue({ sent: 5, arrived: 5, sentAt: now - 300, arrivedAt: now - 200 });
  expect(arrives(segment(FLAG.ACK, 100)).to).toBe('pair');
});

test('packets of a predecessor that come out do not count as waiting, nor later as missing', () => {
  setQueue({ sent: 0, arrived: 3, sentAt: 0, arrivedAt: monotonic() });
  const { to, frame } = arrives(segment(FLAG.ACK, 100));
  expect(to).toBe('pair');
  expect(comesOut(frame)).toBe(VERDICT.carried);
  expect(queuesOf().areEmpty()).toBe(true);
});

test('after a super-packet, and at the end of the pair, only packets that may overtake none go straight to the tunnel', () => {
  const recently = (view: DataView): void => view.setUint32(UPLINK.lastSuper, units(monotonic()), true);
  const ends = (view: DataView): void => view.setUint32(UPLINK.pairEnds, 1, true);
  for (const write of [recently, ends]) {
    programs.setUplink(0, 1, LOCAL.address);
    const { frame } = arrives(segment(FLAG.ACK, 100));
    change(write);
    const next = arrives(segment(FLAG.ACK, 100));
    expect(next.to).toBe('pair');
    expect(comesOut(frame)).toBe(VERDICT.carried);
    expect(comesOut(next.frame)).toBe(VERDICT.carried);
    expect(arrives(segment(FLAG.ACK, 100)).to).toBe('tunnel');
  }
});

test('packets that got lost while others go on are written off at the second look', () => {
  const queues = queuesOf();
  arrives(segment(FLAG.ACK, 100));
  for (const lost of [0, 1, 1]) {
    queues.look();
    expect(queues.lost).toBe(lost);
    for (let i = 0; i < 3; i++) expect(comesOut(arrives(segment(FLAG.ACK, 100)).frame)).toBe(VERDICT.carried);
  }
  expect(queues.areEmpty()).toBe(true);
});

test('packets that wait at each look, but not always, are not lost', () => {
  const queues = queuesOf();
  let waiting = arrives(segment(FLAG.ACK, 100)).frame;
  for (let look = 0; look < 5; look++) {
    queues.look();
    comesOut(waiting);
    waiting = arrives(segment(FLAG.ACK, 100)).frame;
  }
  expect(queues.lost).toBe(0);
  expect(queues.areEmpty()).toBe(false);
});

test('a full queue takes no further packet, and none goes past it', () => {
  const queues = queuesOf();
  setQueue({ sent: 255, arrived: 0, sentAt: 0, arrivedAt: monotonic() + AHEAD_MS });
  const { to, frame } = arrives(segment(FLAG.ACK, 100));
  expect(to).toBe('pair');
  expect(arrives(segment(FLAG.ACK, 100)).to).toBe('nowhere');
  queues.look();
  expect(queues.lost).toBe(1);
  for (let i = 0; i < 256; i++) comesOut(frame);
  expect(queues.areEmpty()).toBe(true);
});

test('a record without a super-packet lets segments be merged at all counts of time', () => {
  // As if the count of time were about to come back to 0.
  change((view) => view.setUint32(UPLINK.lastSuper, (units(monotonic()) + 2 ** 23) >>> 0, true));
  expect(arrives(segment(FLAG.ACK, 100)).to).toBe('pair');
});
