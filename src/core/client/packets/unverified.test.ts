import { describe, expect, test } from 'vitest';
import { reached } from '../../../../test/support/limit-hits.ts';
import {
  ClientRig,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PEER_SERVER,
  PRIMARY,
  RELAY,
  at,
  bubble,
  data,
  echoReply,
  echoRequest,
  teredo,
  v6,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import { buildUnreachable, equalBytes, toHex } from '../../../wire/index.ts';
import type { Ipv6 } from '../../../wire/index.ts';

const ELSEWHERE = at('198.18.0.1:1111');

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();

describe('case 6: unverified peers', () => {
  test('CL-50, CL-122, A-25: delivered and tested; the answer waits for the test', () => {
    const rig = qualified();
    rig.receive(RELAY, echoRequest(NATIVE, rig.address));
    expect(rig.delivered).toHaveLength(1);
    expect(rig.kinds).toEqual(['test 203.0.113.120:3544']);
    rig.send(rig.data(NATIVE));
    expect(rig.all('data')).toEqual([]);
    rig.receive(RELAY, echoReply(rig.sent[0]));
    expect(rig.all('data', RELAY)).toHaveLength(1);
  });

  test('an ICMPv6 error about a test is delivered, and causes no other test, although its source is unknown', () => {
    const rig = qualified();
    rig.receive(RELAY, echoRequest(NATIVE, rig.address));
    const test = rig.find('test', PRIMARY).bytes;
    rig.advance(8_500).clear(); // the test has failed
    for (const source of [NATIVE, v6('2001:db8:9::1')])
      rig.receive(RELAY, buildUnreachable({ source, code: 1, offending: test }));
    expect([rig.kinds, rig.delivered.length]).toEqual([[], 2]);
    const about = rig.data(NATIVE);
    rig.receive(RELAY, buildUnreachable({ source: v6('2001:db8:9::1'), code: 1, offending: about }));
    expect(rig.kinds).toEqual(['test 203.0.113.120:3544']);
  });

  test('A-19: an echo request that the server forwards is delivered', () => {
    const rig = qualified();
    rig.receive(PRIMARY, echoRequest(NATIVE, rig.address));
    expect(rig.delivered).toHaveLength(1);
  });

  test('a Teredo source that does not match the outer source is refused', () => {
    const rig = qualified();
    rig.receive(ELSEWHERE, data(PEER, rig.address)).receive(ELSEWHERE, bubble(PEER, rig.address));
    expect([rig.delivered, rig.sent, [...rig.machine.peers(0)]]).toEqual([[], [], []]);
    expect(rig.machine.counters.droppedForgedSource).toBe(2);
  });

  test('CL-53: a trusted peer whose packets come from another relay soon after its test is tested once, at once', () => {
    const rig = qualified();
    rig
      .send(rig.data(NATIVE))
      .receive(RELAY, echoReply(rig.find('test', PRIMARY)))
      .advance(100)
      .clear();
    const other = at('198.51.100.9:3545');
    for (let i = 0; i < 10; i++) rig.receive(other, data(NATIVE, rig.address)).advance(20);
    expect(rig.all('test')).toHaveLength(1);
    rig
      .receive(other, echoReply(rig.find('test', PRIMARY)))
      .clear()
      .send(rig.data(NATIVE));
    expect(rig.all('data', other)).toHaveLength(1);
  });

  test('CL-53: 40 peers of one site whose packets come from another relay are tested at once, whatever strangers have caused', () => {
    const rig = qualified();
    const hosts = Array.from({ length: 40 }, (_, i) => v6(`2001:db8:7:${(i >> 2).toString(16)}::${i + 1}`));
    for (const host of hosts) {
      rig.clear().send(rig.data(host)).advance(10);
      rig.receive(RELAY, echoReply(rig.find('test', PRIMARY)));
    }
    for (let i = 0; i < 200; i++) rig.receive(ELSEWHERE, data(native(0x9000 + 97 * i), rig.address));
    rig.advance(100).clear();
    const other = at('198.51.100.9:3545');
    for (const host of hosts) rig.receive(other, data(host, rig.address));
    const asked = new Set(rig.all('test').map(({ destination }) => toHex(destination)));
    expect(hosts.filter((host) => !asked.has(toHex(host))).map((host) => toHex(host))).toEqual([]);
    expect(rig.all('test')).toHaveLength(40);
  });

  test('CL-53: a test of a moved peer that is lost is repeated after 0.5 s, then by the spacing of questions', () => {
    const rig = qualified();
    rig.send(rig.data(NATIVE)).receive(RELAY, echoReply(rig.find('test', PRIMARY)));
    rig.advance(100).send(rig.data(NATIVE)).clear();
    const other = at('198.51.100.9:3545');
    const times: number[] = [];
    const begun = rig.now;
    for (let i = 0; i < 600; i++) {
      const before = rig.all('test').length;
      rig.receive(other, data(NATIVE, rig.address));
      if (rig.all('test').length > before) times.push(rig.now - begun);
      rig.advance(10);
    }
    expect(times).toEqual([0, 500, 5_500]);
  });

  test('CL-53: forged datagrams of a peer that answers each test cause few tests', () => {
    const rig = qualified();
    rig.send(rig.data(NATIVE)).receive(RELAY, echoReply(rig.find('test', PRIMARY)));
    let tests = 0;
    for (let i = 0; i < 400; i++) {
      rig.advance(25).send(rig.data(NATIVE)).clear().receive(ELSEWHERE, data(NATIVE, rig.address));
      for (const test of rig.all('test')) {
        tests++;
        rig.receive(RELAY, echoReply(test));
      }
    }
    expect(tests).toBeGreaterThanOrEqual(4);
    expect(tests).toBeLessThanOrEqual(4 + 5);
  });

  test('CL-53: they neither take over a trusted peer nor interrupt it', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear();
    rig.receive(ELSEWHERE, data(PEER, rig.address)).receive(ELSEWHERE, bubble(PEER, rig.address));
    rig.send(rig.data(PEER));
    expect(rig.kinds).toEqual(['data 192.0.2.10:8192']);
  });

  test('CL-51: invented peers at one address get no more replies than the limit of the address', () => {
    const rig = qualified();
    for (let i = 0; i < 5_000; i++) {
      const pair = at(`198.18.0.1:${1_024 + i}`);
      rig.receive(pair, bubble(teredo(PEER_SERVER, pair), rig.address));
      rig.now += 1;
    }
    expect(rig.all('bubble').length).toBeLessThanOrEqual(100 + 10 * 6);
    const [times, by] = reached(rig.machine, 'bubble-replies');
    expect([times > 1_000, by]).toEqual([true, '198.18.0.1']);
  });

  test('CL-124: tests that outsiders cause are limited in total', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++) {
      rig.receive(RELAY, data(native(i), rig.address));
      rig.advance(1);
    }
    expect(rig.all('test').length).toBeLessThanOrEqual(61);
    expect(reached(rig.machine, 'unsolicited-tests')[0]).toBe(rig.machine.counters.suppressedTests);
    expect(rig.delivered).toHaveLength(1_000);
  });
});

describe('A-25: strict', () => {
  const strict = (): ClientRig => qualified({ strictUnverified: true });

  test('packets wait for the test of their source, and are delivered in order', () => {
    const rig = strict();
    rig.receive(RELAY, data(NATIVE, rig.address, 60)).receive(RELAY, data(NATIVE, rig.address, 61));
    expect([rig.delivered, rig.kinds]).toEqual([[], ['test 203.0.113.120:3544']]);
    rig.receive(RELAY, echoReply(rig.sent[0])).receive(RELAY, data(NATIVE, rig.address, 62));
    expect(rig.delivered.map(({ length }) => length)).toEqual([60, 61, 62]);
    expect(rig.machine.counters.droppedUnverified).toBe(0);
  });

  test('packets that the server forwards for a relay wait, too', () => {
    const rig = strict();
    rig.receive(PRIMARY, withOrigin(RELAY, echoRequest(NATIVE, rig.address)));
    rig.receive(RELAY, echoReply(rig.find('test', PRIMARY)));
    expect(rig.delivered).toHaveLength(1);
  });

  test('packets whose source differs from that of the answer are dropped as forged', () => {
    const rig = strict();
    rig.receive(ELSEWHERE, data(NATIVE, rig.address)).receive(RELAY, data(NATIVE, rig.address, 61));
    rig.receive(RELAY, echoReply(rig.sent[0]));
    expect(rig.delivered.map(({ length }) => length)).toEqual([61]);
    expect(rig.machine.counters.droppedUnverified).toBe(1);
  });

  test('without an answer they are dropped, and counted', () => {
    const rig = strict();
    rig.receive(RELAY, data(NATIVE, rig.address));
    const [first] = rig.sent;
    rig.advance(8_000);
    expect(rig.machine.counters.droppedUnverified).toBe(1);
    expect(rig.receive(RELAY, echoReply(first)).delivered).toEqual([]);
  });

  test('waiting packets of many new sources leave room for the next ones: 20 of 20 first packets', () => {
    const rig = strict();
    let waited = 0;
    for (let i = 0; i < 2_000; i++) {
      const relay = at(`198.51.100.${(i % 8) + 1}:3545`);
      const source = v6(`2001:db8:${i.toString(16)}::1`);
      for (let n = 0; n < 20; n++) rig.receive(relay, data(source, rig.address, 1_280));
      rig.advanceServed(10);
      if (i % 100 !== 99) continue;
      const host = v6(`2a00:${i.toString(16)}::1`);
      rig.clear().receive(RELAY, data(host, rig.address, 1_280));
      const test = rig.all('test').find(({ destination }) => equalBytes(destination, 0, host, 0, 16));
      if (test !== undefined && rig.receive(RELAY, echoReply(test)).delivered.length === 1) waited++;
    }
    expect(waited).toBe(20);
  });

  test('waiting packets are limited: for each source, in total, and by the number of tests', () => {
    const rig = strict();
    for (let i = 0; i < 100; i++) rig.receive(RELAY, data(NATIVE, rig.address));
    expect(rig.receive(RELAY, echoReply(rig.sent[0])).delivered).toHaveLength(8);
    expect(reached(rig.machine, 'held')).toEqual([92, toHex(NATIVE.subarray(0, 8))]);
    const held = { packetsPerPeer: 8, bytesPerPeer: 1_000, bytes: 150 };
    const narrow = qualified({ strictUnverified: true, limits: { held } });
    for (let i = 0; i < 100; i++) narrow.receive(RELAY, data(native(i), narrow.address));
    for (const test of narrow.all('test')) narrow.receive(RELAY, echoReply(test));
    // The number that one network may cause.
    expect(narrow.all('test').length).toBeGreaterThanOrEqual(10);
    expect(narrow.all('test').length).toBeLessThanOrEqual(20 + 4);
    expect(narrow.delivered).toHaveLength(2);
  });

  test('waiting packets are dropped when the address is removed', () => {
    const rig = strict();
    rig.receive(RELAY, data(NATIVE, rig.address));
    rig.machine.stop(rig.now);
    expect(rig.machine.counters.droppedUnverified).toBe(1);
  });
});

function native(i: number): Ipv6 {
  return v6(`2001:db8:${(i >>> 12).toString(16)}:${(i & 0xfff).toString(16)}::1`);
}
