/** Times of 32 bits in a peer's entry come round after 52 days: what the programs make of times of any age. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { PEER as FIELDS, UNIT_SHIFT } from '../../src/linux/bpf/layout.ts';
import { VERDICT } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { buildIpv4Udp } from '../../src/sim/pcap.ts';
import { parsePrefix, writeUint16 } from '../../src/wire/index.ts';
import { CarryingPrograms, ETHERNET, monotonic } from '../support/carrying-programs.ts';
import { at, data, v6 } from '../support/client-rig.ts';

const PEER = v6('2001:0:cb00:7178::2');
const NATIVE = v6('2001:db8::1');
const LOCAL = at('192.0.2.1:3545');
const PLACE = at('198.51.100.7:40000');
const [SECOND, DAY] = [1_000, 86_400_000];
/** After this time they come round, ms. */
const RANGE = (2 ** 32 * 2 ** UNIT_SHIFT) / 1e6;

let programs: CarryingPrograms;
beforeAll(() => {
  enterNewNetwork();
  programs = new CarryingPrograms(LOCAL);
});
afterAll(() => programs.close());
beforeEach(() => {
  programs.configure({ role: 'relay', own: undefined, serve: [parsePrefix('2000::/3')!] });
  programs.put(PEER, 0, PLACE, monotonic());
});

function isCarriedIn(): boolean {
  const payload = data(PEER, NATIVE, 100);
  const [source, sourcePort] = [PLACE.address, PLACE.port];
  const [destination, destinationPort] = [LOCAL.address, LOCAL.port];
  const datagram = buildIpv4Udp({
    source,
    sourcePort,
    destination,
    destinationPort,
    timeToLive: 64,
    payload,
  });
  return verdictOn(0x0800, datagram, (length) => programs.runIn(length));
}

function isCarriedOut(): boolean {
  return verdictOn(0x86dd, data(NATIVE, PEER, 100), (length) => programs.runOut(length));
}

function verdictOn(type: number, packet: Uint8Array, run: (length: number) => number): boolean {
  const { frame } = programs.bench;
  frame.fill(0, 0, ETHERNET);
  writeUint16(frame, ETHERNET - 2, type);
  frame.set(packet, ETHERNET);
  return run(ETHERNET + packet.length) === VERDICT.carried;
}

/** Writes that the latest packet of the peer was so long ago, ms. */
function heard(ago: number): void {
  programs.writeUnits(PEER, FIELDS.lastReceived, monotonic() - ago);
}

function sentTo(ago: number): void {
  programs.writeUnits(PEER, FIELDS.lastSent, monotonic() - ago);
}

test.each([
  ['0', 0, true],
  ['29.9 s', 29.9 * SECOND, true],
  ['30.02 s', 30.02 * SECOND, false],
  ['13 days', 13 * DAY, false],
  ['half of the range', RANGE / 2, false],
  ['half of the range and a day', RANGE / 2 + DAY, false],
  ['the range less 5 h', RANGE - 5 * 3_600 * SECOND, false],
  ['the range less 2 s', RANGE - 2 * SECOND, false],
  ['-0.5 s, by a clock that is ahead', -0.5 * SECOND, true],
])('a peer heard %s ago is carried: %#', (_, ago, expected) => {
  heard(ago);
  sentTo(ago); // otherwise it would be asked for first
  expect(isCarriedOut()).toBe(expected);
  heard(ago);
  expect(isCarriedIn()).toBe(expected);
});

test.each([
  ['3 s ago, before it was heard', 3 * SECOND, true],
  ['1 s ago', SECOND, false],
  ['half of the range ago', RANGE / 2 + SECOND, true],
  ['51 days ago', 51 * DAY, true],
])('a peer that was heard 2.5 s ago, and sent to %s, is carried: %#', (_, ago, expected) => {
  heard(2.5 * SECOND);
  sentTo(ago);
  expect(isCarriedOut()).toBe(expected);
});

test('a new peer that is never sent to is not asked for, however long it is silent', () => {
  programs.take(PEER, 0);
  programs.put(PEER, 0, PLACE, monotonic() - 20 * SECOND);
  expect(isCarriedOut()).toBe(true);
});

test('the latest packet of a peer that is carried is now, for the process, too', () => {
  heard(20 * SECOND);
  const before = monotonic();
  expect(isCarriedIn()).toBe(true);
  const { lastReceived } = programs.state(PEER)!;
  // The programs' clock has steps of 1 to 10 ms, and the entry has units of 1 ms.
  expect(lastReceived / 1e6).toBeGreaterThan(before - 12);
  expect(lastReceived / 1e6).toBeLessThanOrEqual(monotonic());
});
