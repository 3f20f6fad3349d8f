import { describe, expect, test } from 'vitest';
import { MAPPED, PEER_MAPPED, PRIMARY, at, teredo, v6 } from '../../../test/support/client-rig.ts';
import { reached } from '../../../test/support/limit-hits.ts';
import { IS_ALL } from '../../../test/support/extent.ts';
import { ServerRig, solicitation } from '../../../test/support/server-rig.ts';
import { buildBubble, buildEchoRequest, formatIpv4 } from '../../wire/index.ts';
import type { Endpoint } from '../../wire/index.ts';

const ATTACKER = at('198.51.100.66:6666');
const VICTIM = PEER_MAPPED;

/** Calls `act` this often within each millisecond of some seconds. */
function flood(rig: ServerRig, seconds: number, perMillisecond: number, act: (count: number) => void): void {
  let count = 0;
  for (let ms = 0; ms < seconds * 1_000; ms++) {
    for (let i = 0; i < perMillisecond; i++) act(count++);
    rig.now++;
  }
}

describe('limits of a server', () => {
  test('20,000 solicitations a second from one address get 3,000 answers a second', () => {
    const rig = new ServerRig();
    const request = solicitation();
    flood(rig, 10, 20, () => rig.receive(ATTACKER, request));
    expect(rig.sent.length).toBeGreaterThan(49_000);
    expect(rig.sent.length).toBeLessThan(50_200);
    const dropped = 200_000 - rig.sent.length;
    expect(rig.machine.counters.droppedAnswerLimit).toBe(dropped);
    expect(reached(rig.machine, 'answers')).toEqual([dropped, '198.51.100.66']);
  });

  test('during that flood clients are answered: at other addresses always, at the same address, too', () => {
    const rig = new ServerRig();
    const request = solicitation();
    let asked = 0;
    flood(rig, 20, 20, (count) => {
      rig.receive(ATTACKER, request);
      if (count % 2_000 !== 0) return;
      asked++;
      rig.receive(MAPPED, request);
      rig.receive({ address: ATTACKER.address, port: 10_000 + (count % 40) }, request);
    });
    const answered = (address: number) =>
      rig.sent.filter((sent) => sent.address === address && sent.port !== ATTACKER.port).length;
    expect(answered(MAPPED.address)).toBe(asked);
    // Even divided by its few ports, the attacker asks more often than a normal client.
    expect(answered(ATTACKER.address)).toBeGreaterThan(10);
    const late = { address: ATTACKER.address, port: 20_000 };
    expect(rig.clear().receive(late, request).sent.length).toBe(1);
  });

  test('a carrier NAT: 10,000 clients on one address ask at once after an outage, then 400 a second', () => {
    const rig = new ServerRig();
    const request = solicitation();
    const ask = (port: number) => rig.receive({ address: MAPPED.address, port }, request);
    for (let port = 1; port <= 10_000; port++) ask(port);
    expect(rig.sent.length).toBe(10_000);
    rig.clear().advance(4_000);
    for (let second = 0; second < 25; second++) {
      for (let i = 0; i < 400; i++) ask(1 + second * 400 + i);
      rig.advance(1_000);
    }
    expect(rig.sent.length).toBe(10_000);
  });

  test('a carrier NAT with 10,000 active clients: 2,000 a second for a minute (adr/0003)', () => {
    const rig = new ServerRig();
    const request = solicitation();
    let answered = 0;
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < 2_000; i++)
        rig.receive({ address: MAPPED.address, port: 1 + (second % 5) * 2_000 + i }, request);
      answered += rig.sent.length;
      rig.clear().advance(1_000);
    }
    expect(answered).toBe(120_000);
  });

  test('large pings to the server itself cost as much as ten solicitations', () => {
    const rig = new ServerRig();
    const ping = buildEchoRequest({
      source: v6('fe80::1'),
      destination: rig.machine.linkLocal,
      hopLimit: 64,
      identifier: 1,
      sequence: 1,
      data: new Uint8Array(1_232),
    });
    flood(rig, 10, 10, () => rig.receive(ATTACKER, ping));
    expect(rig.sent.length).toBeGreaterThan(4_900);
    expect(rig.sent.length).toBeLessThan(5_020);
    expect(reached(rig.machine, 'answers')).toEqual([100_000 - rig.sent.length, '198.51.100.66']);
  });

  test('RFC 4380 section 7.4.1: bubbles from one attacker to one victim: 200 a second', () => {
    const rig = new ServerRig();
    const attack = buildBubble(teredo(PRIMARY, ATTACKER), teredo(PRIMARY, VICTIM), 21);
    flood(rig, 10, 10, () => rig.receive(ATTACKER, attack));
    expect(rig.sent.length).toBeLessThan(3_010);
    expect(reached(rig.machine, 'forwarded-by-pair')).toEqual([100_000 - rig.sent.length, '198.51.100.66']);
  });

  test('during that flood others reach the victim', () => {
    const rig = new ServerRig();
    const honest = buildBubble(teredo(PRIMARY, MAPPED), teredo(PRIMARY, VICTIM), 21);
    let passed = 0;
    flood(rig, 20, 20, (count) => {
      const from = { address: ATTACKER.address + (count % 50), port: 6666 };
      rig.receive(from, buildBubble(teredo(PRIMARY, from), teredo(PRIMARY, VICTIM), 21));
      if (count % 80_000 !== 79_999) return;
      const before = rig.sent.length;
      rig.receive(MAPPED, honest);
      passed += rig.sent.length - before;
    });
    expect(rig.sent.length).toBeLessThan(33_000);
    expect(passed).toBe(5);
    expect(reached(rig.machine, 'forwarded')[1]).toBe(formatIpv4(VICTIM.address));
  });

  describe('forged with the address of a relay', () => {
    const RELAY = at('198.51.100.7:3545');
    const CLIENT = teredo(PRIMARY, VICTIM);
    const proof = (i: number) => v6(`fe80::${(i >>> 16).toString(16)}:${(i & 0xffff).toString(16)}`);
    /** How many of twelve bubbles of the relay, one in 5 s, reach the client beside `forge`, called each millisecond. */
    const passed = (rig: ServerRig, forge: (ms: number) => void): number => {
      const own = buildBubble(v6('fe80::8d1c:7:41:9'), CLIENT, 21);
      let count = 0;
      for (let ms = 1; ms <= 60_000; ms++) {
        forge(ms);
        if (ms % 5_000 === 0) count += rig.clear().receive(RELAY, own).sent.length;
        rig.now++;
      }
      return count;
    };
    const load = (from: Endpoint, rig: ServerRig) =>
      rig.receive(
        from,
        buildEchoRequest({
          source: v6('2001:db8:66::1'),
          destination: CLIENT,
          hopLimit: 64,
          identifier: 1,
          sequence: 1,
          data: new Uint8Array(1_232),
        }),
      );

    test('large pings, 100 a second, take nothing of its bubbles', () => {
      const rig = new ServerRig();
      expect(passed(rig, (ms) => ms % 10 === 0 && load(RELAY, rig))).toBe(12);
      expect(reached(rig.machine, 'forwarded-icmp-by-pair')[1]).toBe('198.51.100.7');
    });

    test.runIf(IS_ALL)('nor do those of a thousand other addresses, 1,000 a second', () => {
      const rig = new ServerRig();
      const forge = (ms: number) => load({ address: RELAY.address - 1 - (ms % 1_000), port: 1 }, rig);
      expect(passed(rig, forge)).toBe(12);
      expect(reached(rig.machine, 'forwarded-icmp')[1]).toBe(formatIpv4(VICTIM.address));
    });

    test.each([200, 1_000])('bubbles of another IPv6 source, %d a second, neither', (perSecond) => {
      const rig = new ServerRig();
      const bubble = buildBubble(proof(1), CLIENT, 21);
      let due = 0;
      const forge = () => {
        for (due += perSecond / 1_000; due >= 1; due--) rig.receive(RELAY, bubble);
      };
      expect(passed(rig, forge)).toBe(12);
    });

    test('bubbles of a hundred other IPv6 sources neither', () => {
      const rig = new ServerRig();
      expect(passed(rig, (ms) => rig.receive(RELAY, buildBubble(proof(ms % 100), CLIENT, 21)))).toBe(12);
    });

    test('all that one pair gets is as much as before, 1,000 tokens and then 200 a second', () => {
      const rig = new ServerRig();
      let octets = 0;
      flood(rig, 10, 1, (count) => {
        for (const packet of [buildBubble(proof(count), CLIENT, 21)]) rig.receive(RELAY, packet);
        if (count % 3 === 0) load(RELAY, rig);
      });
      for (const { bytes } of rig.sent) octets += Math.ceil((bytes.length - 8) / 128);
      expect(octets).toBeGreaterThan(2_900);
      expect(octets).toBeLessThanOrEqual(3_000);
    });

    test('a relay has all its bubbles to clients behind one address: 700 at once, then 150 a second', () => {
      const rig = new ServerRig();
      const send = (i: number) =>
        rig.receive(RELAY, buildBubble(proof(i), teredo(PRIMARY, { ...VICTIM, port: 1 + (i % 5_000) }), 21));
      for (let i = 0; i < 700; i++) send(i);
      expect(rig.sent.length).toBe(700);
      rig.clear().advance(6_000);
      for (let i = 0; i < 9_000; i++) {
        send(i);
        rig.now += 1_000 / 150;
      }
      expect(rig.sent.length).toBe(9_000);
    });
  });

  test('long packets cost more tokens: a victim gets few octets', () => {
    const rig = new ServerRig();
    const load = buildEchoRequest({
      source: v6('fe80::1'),
      destination: teredo(PRIMARY, VICTIM),
      hopLimit: 64,
      identifier: 1,
      sequence: 1,
      data: new Uint8Array(1_232),
    });
    flood(rig, 10, 5, () => rig.receive(ATTACKER, load));
    const octets = rig.sent.reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(octets / 10).toBeLessThan(40_000);
  });

  test('pings to one native network are limited, and one attacker does not use up the share of others', () => {
    const rig = new ServerRig();
    const ping = (from: typeof MAPPED, low: string) =>
      buildEchoRequest({
        source: teredo(PRIMARY, from),
        destination: v6(`2001:db8::${low}`),
        hopLimit: 64,
        identifier: 1,
        sequence: 1,
        data: new Uint8Array(8),
      });
    flood(rig, 10, 10, (count) => rig.receive(ATTACKER, ping(ATTACKER, (count & 0xffff).toString(16))));
    expect(rig.delivered.length).toBeLessThan(10_100);
    expect(reached(rig.machine, 'native-by-client')[1]).toBe('198.51.100.66');
    rig.clear().receive(MAPPED, ping(MAPPED, '1'));
    expect(rig.delivered.length).toBe(1);
  });

  test.runIf(IS_ALL)('pings from many addresses to one network are limited, too', () => {
    const rig = new ServerRig();
    flood(rig, 10, 10, (count) => {
      const from = { address: ATTACKER.address + (count % 50), port: 6666 };
      const destination = v6('2001:db8::1');
      const ping = { hopLimit: 64, identifier: 1, sequence: 1, data: new Uint8Array(8) };
      rig.receive(from, buildEchoRequest({ ...ping, source: teredo(PRIMARY, from), destination }));
    });
    expect(rig.delivered.length).toBeLessThan(20_000);
    expect(reached(rig.machine, 'native')).toEqual([100_000 - rig.delivered.length, '20010db800000000']);
  });

  test('S-2: a server has no timers', () => {
    const rig = new ServerRig().example('EX1');
    expect(rig.machine.pollTimeout()).toBe(Infinity);
    rig.offer(solicitation()).advance(1e9);
    expect(rig.sent.length).toBe(1);
  });
});
