import { describe, expect, test } from 'vitest';
import { ICMPV6, parseIpv6 } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { Ipv6Host } from './ipv6-host.ts';
import { Ipv6Link } from './ipv6-link.ts';
import { Ipv6Router } from './ipv6-router.ts';
import { World } from './world.ts';

const ip = (text: string): Ipv6 => parseIpv6(text)!;

/** a - r1 - r2 - b; the MTU of the link to b is 1400. */
function rig() {
  const world = new World();
  const [a, b] = [new Ipv6Host(world, ip('2001:db8:a::1')), new Ipv6Host(world, ip('2001:db8:b::1'))];
  const [r1, r2] = [new Ipv6Router(ip('2001:db8:1::1')), new Ipv6Router(ip('2001:db8:2::1'))];
  const [first, middle, last] = [
    new Ipv6Link(world, a.receive, r1.forward, { delayMs: 1 }),
    new Ipv6Link(world, r1.forward, r2.forward, { delayMs: 1 }),
    new Ipv6Link(world, r2.forward, b.receive, { delayMs: 1 }),
  ];
  a.output = first.toB;
  b.output = last.toA;
  r1.addRoute('2001:db8:a::/64', first.toA);
  r1.addRoute('2001:db8::/32', middle.toB);
  r2.addRoute('2001:db8:b::/64', last.toB, 1400);
  r2.addRoute('2001:db8:a::/64', middle.toA);
  return { world, a, b, r1, r2 };
}

describe('hosts and routers', () => {
  test('a ping is answered; each router decrements the hop limit', () => {
    const { world, a, b } = rig();
    const ping = a.ping(b.address);
    world.runFor(10);
    expect(ping).toMatchObject({ repliedAt: ping.sentAt + 6, hopLimit: 62, replies: 1 });
  });

  test.each([
    ['hop limit', { hopLimit: 1 }, '2001:db8:b::1', ICMPV6.TIME_EXCEEDED, '2001:db8:1::1'],
    ['hop limit further on', { hopLimit: 2 }, '2001:db8:b::1', ICMPV6.TIME_EXCEEDED, '2001:db8:2::1'],
    ['no route', {}, '2001:db9::1', ICMPV6.DESTINATION_UNREACHABLE, '2001:db8:1::1'],
    ['MTU', { size: 1_401 }, '2001:db8:b::1', ICMPV6.PACKET_TOO_BIG, '2001:db8:2::1'],
  ])('%s: the sender gets an ICMPv6 error', (_, options, to, type, from) => {
    const { world, a } = rig();
    a.ping(ip(to), options);
    world.runFor(10);
    expect(a.errors).toMatchObject([{ type, from: ip(from) }]);
  });

  test('UDP echo returns the same octets', () => {
    const { world, a, b } = rig();
    b.echoUdp();
    const got: number[][] = [];
    a.listen(9, ({ payload }) => got.push([...payload]));
    a.sendUdp({ destination: b.address, sourcePort: 9, destinationPort: 7, payload: Uint8Array.of(1, 2, 3) });
    world.runFor(10);
    expect(got).toEqual([[1, 2, 3]]);
  });

  test('a damaged packet is counted and dropped', () => {
    const { world, a, b } = rig();
    a.sendTaps.push((packet) => (packet[60]! ^= 1));
    const ping = a.ping(b.address);
    world.runFor(10);
    expect(ping.replies).toBe(0);
    expect(b.counters.malformed).toBe(1);
  });
});
