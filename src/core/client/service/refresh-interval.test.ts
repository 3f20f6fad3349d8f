import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  NATIVE,
  PRIMARY,
  SECONDARY,
  at,
  data,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import type { Sent } from '../../../../test/support/client-rig.ts';
import { mappedPortOf } from '../../../wire/index.ts';

const PROBE = 1;
const SECONDARY_MAPPED = at('192.0.2.1:6000');

/** A client that has qualified on both ports. */
function begun(): ClientRig {
  const rig = new ClientRig({ refresh: 'auto', localDiscovery: false }).start();
  rig.answer(rig.sent[0]).answer(rig.sent[1], { from: SECONDARY });
  rig.answer(rig.sent[2], { origin: SECONDARY_MAPPED });
  rig.answer(rig.sent[3], { from: SECONDARY, origin: SECONDARY_MAPPED });
  return rig.clear();
}

/**
 * Simulates server and NAT until the procedure has concluded: a mapping of the secondary port lives for `lifetimeMs` after
 * its last datagram. Returns the candidates in the order of their trials, as the waits before the first probe.
 */
function determine(
  rig: ClientRig,
  lifetimeMs: number,
  fromProbePort: Sent[] = [],
  origin = SECONDARY_MAPPED,
): { candidates: number[]; probes: Sent[] } {
  const candidates: number[] = [];
  const probes: Sent[] = [];
  let touched = rig.now;
  let tried = false;
  const done = (): boolean =>
    rig.events.some((event) => event.type === 'refresh-interval' && event.concluded);
  while (!done() && candidates.length < 10) {
    rig.advance(500);
    for (const one of rig.sent.splice(0)) {
      if (one.socket === PROBE) fromProbePort.push(one);
      if (one.kind === 'solicitation') {
        rig.answer(one, one.socket === PROBE ? { origin } : {});
        if (one.socket === PROBE) [touched, tried] = [rig.now, false];
      } else if (one.kind === 'bubble' && one.to(PRIMARY)) {
        probes.push(one);
        if (!tried) candidates.push(Math.round((one.time - touched) / 1_000) * 1_000);
        tried = true;
        if (one.time - touched < lifetimeMs)
          rig.receive(PRIMARY, withOrigin(at('192.0.2.1:4096'), one.bytes), PROBE);
      }
    }
  }
  return { candidates, probes };
}

describe('beginning', () => {
  test('CL-100: a second port is qualified directly after the service port; without an answer it is given up', () => {
    const rig = new ClientRig({ refresh: 'auto' }).start();
    rig.answer(rig.sent[0]).answer(rig.sent[1], { from: SECONDARY });
    expect(rig.events).toContainEqual({ type: 'socket-wanted', socket: PROBE });
    expect(rig.sent.filter(({ socket }) => socket === PROBE).map(({ summary }) => summary)).toEqual([
      'solicitation 203.0.113.120:3544',
    ]);
    rig.advance(12_000);
    expect(rig.events).toContainEqual({ type: 'socket-unwanted', socket: PROBE });
    expect(rig.events).toContainEqual({ type: 'refresh-interval', milliseconds: 30_000, concluded: true });
    expect(rig.status.refreshIntervalMs).toBe(30_000);
  });

  test('CL-83, CL-100: begins again after a change of the mapping', () => {
    const rig = begun().advance(30_000);
    rig.answer(rig.find('solicitation', PRIMARY), { origin: at('192.0.2.1:7000') });
    expect(rig.events).toContainEqual({ type: 'socket-unwanted', socket: PROBE });
    expect(rig.sent.at(-1)!.socket).toBe(PROBE);
  });

  test('off by default', () => {
    const rig = new ClientRig().start();
    rig.answer(rig.sent[0]).answer(rig.sent[1], { from: SECONDARY });
    expect(rig.events).not.toContainEqual({ type: 'socket-wanted', socket: PROBE });
  });
});

describe('the procedure', () => {
  test('CL-101, CL-102: the first probe after 60 s, from the service port, for the secondary address; four in all', () => {
    const rig = begun();
    const { candidates, probes } = determine(rig, 50_000);
    expect(candidates[0]).toBe(60_000);
    expect(probes[0].socket).toBe(0);
    expect(mappedPortOf(probes[0].destination, 0)).toBe(SECONDARY_MAPPED.port);
    expect(probes.slice(1, 4).map(({ time }, i) => time - probes[i].time)).toEqual([2_000, 2_000, 2_000]);
  });

  test('CL-104: a lifetime of 50 s: 60 fails, 45 holds, 52.5 fails, the result is 45 s', () => {
    const rig = begun();
    expect(determine(rig, 50_000).candidates).toEqual([60_000, 45_000, 53_000]);
    expect(rig.status.refreshIntervalMs).toBe(45_000);
  });

  test('CL-103, A-21: a long lifetime: 60, 90, 105 hold, which is close enough to 120 s', () => {
    const rig = begun();
    expect(determine(rig, 1_000_000).candidates).toEqual([60_000, 90_000, 105_000]);
    expect(rig.status.refreshIntervalMs).toBe(105_000);
    expect(rig.events).toContainEqual({ type: 'refresh-interval', milliseconds: 60_000, concluded: false });
  });

  test('CL-105, CL-106: solicits between rounds, sends nothing else from that port, and closes it at the end', () => {
    const rig = begun();
    const left: Sent[] = [];
    determine(rig, 50_000, left);
    expect(new Set(left.map(({ kind }) => kind))).toEqual(new Set(['solicitation']));
    expect(left).toHaveLength(2);
    expect(rig.events.at(-2)).toEqual({ type: 'socket-unwanted', socket: PROBE });
    expect(rig.advanceServed(200_000).sent.filter(({ socket }) => socket === PROBE)).toEqual([]);
  });

  test('CL-105: another mapping of the secondary port does not affect the intervals', () => {
    const rig = begun();
    expect(determine(rig, 50_000, [], at('192.0.2.1:6001')).candidates).toEqual([60_000, 45_000, 53_000]);
  });

  test('CL-106: data on the secondary port is not delivered', () => {
    const rig = begun();
    rig.receive(PRIMARY, data(NATIVE, rig.address), PROBE);
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedProbePort).toBe(1);
  });

  test('another network: the default interval, and a new determination', () => {
    const rig = begun();
    determine(rig, 50_000);
    rig.machine.networkChanged(rig.now, { subnets: [], localAddress: undefined });
    rig.drain();
    expect(rig.status.refreshIntervalMs).toBe(30_000);
    rig.answer(rig.find('solicitation', PRIMARY));
    rig.answer(rig.find('solicitation', SECONDARY), { from: SECONDARY });
    expect(rig.events.at(-1)).toEqual({ type: 'socket-wanted', socket: PROBE });
  });
});
