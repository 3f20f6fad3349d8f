import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  LOCAL,
  MAPPED,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PEER_SERVER,
  PRIMARY,
  SECONDARY,
  SERVERS,
  at,
  bubble,
  data,
  withOrigin,
} from '../../../../test/support/client-rig.ts';

const OTHER = at('198.51.100.9:3544');
const NEW_MAPPING = at('192.0.2.1:5000');

describe('refresh', () => {
  test('CL-80, CL-81: an idle client solicits 22.5 to 30 s after the last answer, at random', () => {
    const rig = new ClientRig().qualify();
    const gaps: number[] = [];
    for (let i = 0; i < 40; i++) {
      const from = rig.now;
      while (rig.all('solicitation').length === 0) rig.advance(10);
      gaps.push(rig.all('solicitation')[0].time - from);
      rig.answer(rig.find('solicitation', PRIMARY)).clear();
    }
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(22_499);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(30_001);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(4_000);
  });

  test('CL-81: the refresh interval can be set', () => {
    const rig = new ClientRig({ refresh: 60_000 }).qualify().advance(44_999);
    expect(rig.all('solicitation')).toEqual([]);
    // The first one, at a random time in these 15 s; without an answer it is repeated.
    expect(rig.advance(15_001).all('solicitation').length).toBeGreaterThan(0);
  });

  test('CL-42: any packet from the server counts as contact', () => {
    const rig = new ClientRig().qualify();
    for (let i = 0; i < 20; i++) {
      rig.advance(10_000);
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address)));
      expect(rig.status.lastServerContact).toBe(rig.now);
    }
    expect(rig.all('solicitation')).toEqual([]);
  });

  test('CL-86, A-16: the address stays the same over ten refreshes', () => {
    const rig = new ClientRig().qualify();
    const { address } = rig;
    for (let i = 0; i < 10; i++) {
      rig.advance(30_000).answer(rig.find('solicitation', PRIMARY));
    }
    expect(rig.address).toEqual(address);
    expect(rig.events).toEqual([]);
  });

  test('CL-82: an answer with another nonce does not change the address', () => {
    const rig = new ClientRig().qualify();
    const { address } = rig;
    rig.advance(30_000);
    rig.answer(rig.find('solicitation', PRIMARY), { origin: NEW_MAPPING, nonce: new Uint8Array(8) });
    expect(rig.address).toEqual(address);
  });

  test('CL-82: an unsolicited advertisement is dropped', () => {
    const rig = new ClientRig().start();
    const [rs] = rig.sent;
    rig.answer(rs).answer(rig.sent[1], { from: SECONDARY }).answer(rs, { origin: NEW_MAPPING });
    expect(rig.status.mapped).toEqual(MAPPED);
    expect(rig.machine.counters.droppedUnsolicitedAdvertisement).toBe(1);
  });

  test('CL-83: another mapping removes the old address and adds a new one', () => {
    const rig = new ClientRig().qualify();
    const old = rig.address;
    rig.advance(30_000).clear();
    rig.advance(5_000).answer(rig.find('solicitation', PRIMARY), { origin: NEW_MAPPING });
    expect(rig.status.mapped).toEqual(NEW_MAPPING);
    expect(rig.events.map(({ type }) => type)).toEqual(['address-removed', 'address-added']);
    expect(rig.events[0]).toEqual({ type: 'address-removed', address: old });
    expect(rig.machine.state).toBe('qualified');
  });

  test('CL-84: three without an answer, 4 s apart, then the address is removed and the client starts again', () => {
    const rig = new ClientRig().qualify().advance(30_000);
    const first = rig.sent[0].time;
    rig.advance(first + 12_000 - rig.now);
    expect(rig.all('solicitation', PRIMARY).map(({ time }) => time - first)).toEqual([
      0, 4_000, 8_000, 12_000,
    ]);
    expect(rig.machine.state).toBe('probe');
    expect(rig.machine.address).toBeUndefined();
    rig.answer(rig.sent[3]).answer(rig.find('solicitation', SECONDARY), { from: SECONDARY });
    expect(rig.machine.state).toBe('qualified');
  });

  test('CL-84: another server replaces one that has become silent', () => {
    const servers = [...SERVERS, { primary: OTHER.address, secondary: undefined }];
    const rig = new ClientRig({ servers }).start();
    rig.answer(rig.sent[0]).answer(rig.find('solicitation', SECONDARY), { from: SECONDARY });
    expect(rig.status.server).toBe(0);
    rig.advance(42_000);
    rig.answer(rig.find('solicitation', OTHER), { from: OTHER, prefixServer: OTHER.address });
    expect(rig.machine.state).toBe('qualified');
    expect(rig.status.server).toBe(1);
  });

  test('CL-84: within 8 s if the client sends a connectivity test through it', () => {
    const servers = [...SERVERS, { primary: OTHER.address, secondary: undefined }];
    const rig = new ClientRig({ servers }).start();
    rig.answer(rig.sent[0]).answer(rig.find('solicitation', SECONDARY), { from: SECONDARY });
    rig.advance(5_000).clear().send(rig.data(NATIVE)).advance(7_500);
    rig.answer(rig.find('solicitation', OTHER), { from: OTHER, prefixServer: OTHER.address });
    expect(rig.status.server).toBe(1);
  });
});

describe('status', () => {
  test('CL-5: the state that RFC 4380 requires can be read', () => {
    const rig = new ClientRig();
    expect([rig.machine.state, rig.status.reason, rig.machine.address]).toEqual([
      'offline',
      'stopped',
      undefined,
    ]);
    expect(rig.status.lastServerContact).toBe(-Infinity);
    rig.qualify();
    const { state, reason, mapped, server, refreshIntervalMs, lastServerContact, roundTripMs } = rig.status;
    expect({ state, reason, mapped, server, refreshIntervalMs, lastServerContact, roundTripMs }).toEqual({
      state: 'qualified',
      reason: undefined,
      mapped: MAPPED,
      server: 0,
      refreshIntervalMs: 30_000,
      lastServerContact: rig.now,
      roundTripMs: 0,
    });
  });
});

describe('silence', () => {
  function talking(): ClientRig {
    const rig = new ClientRig().qualify();
    return rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear();
  }

  test('CL-85: 3 s of silence after sending to a trusted peer cause an extra solicitation', () => {
    const rig = talking().advance(10_000);
    rig.send(rig.data(PEER)).advance(2_999);
    expect(rig.all('solicitation')).toEqual([]);
    expect(rig.advance(1).all('solicitation', PRIMARY)).toHaveLength(1);
  });

  test("CL-85: 1 s without an answer to a connectivity test for this host's packets causes one, too", () => {
    const rig = new ClientRig().qualify().send(new ClientRig().qualify().data(NATIVE)).advance(999);
    expect(rig.all('solicitation')).toEqual([]);
    expect(rig.advance(1).all('solicitation', PRIMARY)).toHaveLength(1);
  });

  test.for([
    ['to', 3],
    ['from', 2],
  ] as const)(
    'CL-85: after the last packet %s a peer the mapping is checked after %i, 8, 16 and 32 s, then at the usual interval',
    ([direction, first]) => {
      const rig = talking().advance(10_000);
      if (direction === 'to') rig.send(rig.data(PEER));
      else rig.receive(PEER_MAPPED, data(PEER, rig.address));
      const since = rig.clear().now;
      const before = rig.machine.counters.silenceProbes;
      const looks: number[] = [];
      for (let i = 0; i < 600; i++) {
        for (const { time } of rig.clear().advance(100).all('solicitation')) looks.push(time - since);
        for (const one of rig.all('solicitation')) rig.answer(one);
      }
      expect(looks.slice(0, 4).map((at) => Math.round(at / 1_000))).toEqual([first, 8, 16, 32]);
      const watched = rig.machine.counters.silenceProbes;
      expect(watched - before).toBe(4);
      rig.advanceServed(120_000);
      expect(rig.machine.counters.silenceProbes).toBe(watched);
    },
  );

  test('CL-85: at most one in 3 s, and none in a conversation', () => {
    const rig = talking();
    for (let i = 0; i < 200; i++) rig.send(rig.data(PEER)).advanceServed(100);
    expect(rig.machine.counters.silenceProbes).toBeLessThanOrEqual(6);
    expect(rig.machine.counters.silenceProbes).toBeGreaterThanOrEqual(5);
    const busy = talking();
    for (let i = 0; i < 100; i++) {
      busy.send(busy.data(PEER)).advance(100);
      busy.receive(PEER_MAPPED, data(PEER, busy.address)).advance(100);
    }
    expect(busy.machine.counters.silenceProbes).toBe(0);
  });

  /** Sends data to PEER every 100 ms. The server answers; PEER answers bubbles if `isAnswering`. Returns the times of the bubbles to PEER. */
  function bubblesWhileSending(rig: ClientRig, milliseconds: number, isAnswering: boolean): number[] {
    for (const end = rig.now + milliseconds; rig.now < end;) {
      const before = rig.sent.length;
      rig.send(rig.data(PEER)).advance(100);
      for (const one of rig.sent.slice(before)) {
        if (one.kind === 'solicitation') rig.answer(one);
        else if (isAnswering && one.kind === 'bubble' && one.to(PEER_MAPPED))
          rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
      }
    }
    return rig.all('bubble', PEER_MAPPED).map(({ time }) => time);
  }
  const gaps = (times: number[]): number[] => times.slice(1).map((time, i) => time - times[i]!);

  test('a silent trusted peer gets bubbles beside the data: a direct and an indirect one, again after 2.5, 5 and 10 s', () => {
    const rig = talking();
    expect(bubblesWhileSending(rig, 2_900, false)).toEqual([]);
    const times = bubblesWhileSending(rig, 25_000, false);
    expect(gaps(times)).toEqual([2_500, 5_000, 10_000]);
    expect(rig.all('bubble', PEER_SERVER).map(({ time }) => time)).toEqual(times);
    expect(rig.all('data', PEER_MAPPED)).toHaveLength(279);
  });

  test('a peer that answers each time gets bubbles every 3 s', () => {
    expect(gaps(bubblesWhileSending(talking(), 20_000, true))).toEqual([3_100, 3_100, 3_100, 3_100, 3_100]);
  });
});

describe('requests', () => {
  test('a changed network: solicits at once, keeps the address when the mapping is confirmed', () => {
    const rig = new ClientRig().qualify();
    const { address } = rig;
    rig.machine.networkChanged(rig.now, { subnets: [], localAddress: LOCAL });
    rig.drain();
    expect([rig.machine.state, rig.status.reason]).toEqual(['probe', 'network-changed']);
    expect(rig.send(data(address, PEER)).kinds).toEqual(['solicitation 203.0.113.120:3544']);
    rig.answer(rig.sent[0]).answer(rig.find('solicitation', SECONDARY), { from: SECONDARY });
    expect(rig.address).toBe(address);
    expect(rig.events.some(({ type }) => type === 'address-removed')).toBe(false);
  });

  test('another local address: the Teredo address is removed at once, and the new mapping gives a new one', () => {
    const rig = new ClientRig().qualify();
    rig.machine.networkChanged(rig.now, { subnets: [], localAddress: LOCAL + 1 });
    expect(rig.drain().machine.address).toBeUndefined();
    rig.answer(rig.sent[0], { origin: NEW_MAPPING });
    rig.answer(rig.find('solicitation', SECONDARY), { from: SECONDARY, origin: NEW_MAPPING });
    expect(rig.events.filter(({ type }) => type.startsWith('address')).map(({ type }) => type)).toEqual([
      'address-removed',
      'address-added',
    ]);
  });

  test('a name that resolves to the same server changes nothing; to another one, the client qualifies again', () => {
    const rig = new ClientRig().qualify();
    const other = { primary: OTHER.address, secondary: undefined };
    rig.machine.setServers([other, ...SERVERS], rig.now);
    rig.drain();
    expect([rig.machine.state, rig.status.server]).toEqual(['qualified', 1]);
    rig.advance(30_000).answer(rig.find('solicitation', PRIMARY)).clear();
    rig.machine.setServers([other], rig.now);
    rig.drain();
    rig.answer(rig.find('solicitation', OTHER), { from: OTHER, prefixServer: OTHER.address });
    expect(rig.machine.state).toBe('qualified');
  });

  test('stop removes the address and the sockets, and no more datagrams are sent', () => {
    const rig = new ClientRig().qualify();
    rig.machine.stop(rig.now);
    rig.drain();
    expect(rig.events).toEqual([
      expect.objectContaining({ type: 'address-removed' }),
      { type: 'socket-unwanted', socket: 2 },
      { type: 'state', state: 'offline', reason: 'stopped' },
    ]);
    expect(rig.machine.pollTimeout()).toBe(Infinity);
    expect(rig.start().all('solicitation', PRIMARY)).toHaveLength(1);
  });
});
