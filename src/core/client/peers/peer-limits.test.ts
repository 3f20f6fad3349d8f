import { describe, expect, test } from 'vitest';
import { reached } from '../../../../test/support/limit-hits.ts';
import {
  ClientRig,
  MAPPED,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PEER_SERVER,
  PRIMARY,
  RELAY,
  bubble,
  data,
  echoReply,
  teredo,
  v6,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import type { Ipv6 } from '../../../wire/index.ts';

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();

describe('CL-6: the list of peers is limited', () => {
  test('with invented native and Teredo sources, and a recent peer stays reached directly', () => {
    const limits = { peers: { trusted: 500, unverified: 100 } };
    const rig = qualified({ limits });
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
    for (let i = 0; i < 3_000; i++) {
      const pair = { address: 0x01020304 + i, port: 4_000 };
      rig.receive(pair, data(teredo(PEER_SERVER, pair), rig.address));
      rig.receive(RELAY, data(native(i), rig.address));
      rig.now += 1;
    }
    expect([...rig.machine.peers(rig.now)].length).toBeLessThanOrEqual(600);
    expect(reached(rig.machine, 'peers.trusted')[0]).toBeGreaterThan(1_000);
    rig.clear().send(rig.data(PEER));
    expect(rig.all('data', PEER_MAPPED)).toHaveLength(1);
  });

  test('a contact under way survives a flood', () => {
    const rig = qualified();
    rig.send(rig.data(NATIVE));
    const test = rig.find('test', PRIMARY);
    for (let i = 0; i < 20_000; i++) {
      const pair = { address: 0x01020304 + i, port: 4_000 };
      rig.receive(PRIMARY, withOrigin(pair, bubble(teredo(PEER_SERVER, pair), rig.address)));
      rig.receive(RELAY, data(native(i), rig.address));
      rig.clear();
    }
    rig.receive(RELAY, echoReply(test));
    expect(rig.all('data', RELAY)).toHaveLength(1);
  });

  test('long silent peers are removed', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
    rig.advanceServed(320_000);
    expect([...rig.machine.peers(rig.now)]).toEqual([]);
    expect(rig.status.mapped).toEqual(MAPPED);
  });
});

function native(i: number): Ipv6 {
  return v6(`2001:db8:${(i >>> 12).toString(16)}:${(i & 0xfff).toString(16)}::1`);
}
