import { expect, test } from 'vitest';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { equalBytes, parseIpv4, parseIpv6 } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { Introductions } from './introductions.ts';

const OWN = parseIpv6('2001:0:c633:6401::1')!;
const PEER = parseIpv6('2001:db8::1')!;
const ADDRESS = parseIpv4('192.0.2.1')!;
const DESTINATION = 24;

function rig(): { introductions: Introductions; sentTo: (peer: Ipv6) => number } {
  const packets: Uint8Array[] = [];
  const raw = { send: (packet: Uint8Array) => packets.push(packet.slice()) > 0, close: () => {} };
  const introductions = new Introductions(new SeededEntropy(1), raw);
  return {
    introductions,
    sentTo: (peer) => packets.filter((packet) => equalBytes(packet, DESTINATION, peer, 0, 16)).length,
  };
}

test('an introduction that is not returned is repeated after 50 ms, 250 ms, 1, 3 and 10 s more, and then no more', () => {
  const { introductions, sentTo } = rig();
  introductions.begin(OWN, PEER, ADDRESS, 0);
  const seen: number[] = [];
  for (let now = 0; now <= 60_000; now += 100) {
    const before = sentTo(PEER);
    introductions.repeat(now, () => true);
    if (sentTo(PEER) > before) seen.push(now);
  }
  expect(seen).toEqual([100, 400, 1_400, 4_400, 14_400]); // looked at each 100 ms
});

test('who has returned it is left in peace', () => {
  const { introductions, sentTo } = rig();
  introductions.begin(OWN, PEER, ADDRESS, 0);
  for (let now = 0; now <= 60_000; now += 100) introductions.repeat(now, () => now < 1_000);
  expect(sentTo(PEER)).toBe(3);
});

test('of many new peers the latest 256 are repeated to, within the limit of their address', () => {
  const { introductions, sentTo } = rig();
  const peer = (i: number): Ipv6 => parseIpv6(`2001:db8::1:${i.toString(16)}`)!;
  for (let i = 0; i < 300; i++) introductions.begin(OWN, peer(i), ADDRESS + i, 0);
  introductions.repeat(400, () => true);
  expect([sentTo(peer(0)), sentTo(peer(43)), sentTo(peer(44)), sentTo(peer(299))]).toEqual([1, 1, 2, 2]);
  for (let i = 0; i < 300; i++) introductions.begin(OWN, peer(i), ADDRESS, 1_000);
  const all = Array.from({ length: 300 }, (_, i) => sentTo(peer(i))).reduce((sum, count) => sum + count, 0);
  expect(all).toBeLessThanOrEqual(300 + 256 + 100);
});
