import { describe, expect, test } from 'vitest';
import { access } from '../../../test/support/access.ts';
import { MAPPED, PEER_MAPPED, PRIMARY, at, teredo, v6 } from '../../../test/support/client-rig.ts';
import { ServerRig, solicitation } from '../../../test/support/server-rig.ts';
import { buildBubble, buildEchoRequest } from '../../wire/index.ts';
import type { Endpoint, Ipv6 } from '../../wire/index.ts';

/** Clients of this server; A is denied. */
const A = teredo(PRIMARY, MAPPED);
const B = teredo(PRIMARY, PEER_MAPPED);
const DENY_A = access('-192.0.2.1');

const ping = (source: Ipv6, destination: Ipv6) =>
  buildEchoRequest({
    source,
    destination,
    hopLimit: 64,
    identifier: 1,
    sequence: 1,
    data: new Uint8Array(8),
  });

describe('an address that is denied', () => {
  const rig = () => new ServerRig({ access: DENY_A });

  test.each<[string, Uint8Array]>([
    ['a solicitation', solicitation()],
    ['a bubble to another client', buildBubble(A, B, 21)],
    ['a ping to another client', ping(A, B)],
    ['a ping to a native host', ping(A, v6('2001:db8::1'))],
    ["a ping of the server's own address", ping(v6('fe80::1'), rig().machine.linkLocal)],
    ['octets that are not Teredo', Uint8Array.of(1, 2, 3)],
  ])('%s from it is dropped and counted, without an answer', (_what, payload) => {
    const it = rig().receive(MAPPED, payload);
    expect([it.sent, it.delivered]).toEqual([[], []]);
    expect(it.machine.counters).toEqual({
      ...rig().machine.counters,
      receivedDatagrams: 1,
      droppedDenied: 1,
    });
  });

  test.each<[string, Endpoint, Uint8Array]>([
    ['a bubble', PEER_MAPPED, buildBubble(B, A, 21)],
    ['a ping', PEER_MAPPED, ping(B, A)],
    ["a relay's bubble", at('192.0.2.200:3545'), buildBubble(v6('fe80::1:2:3:4'), A, 21)],
  ])('%s is not forwarded to it', (_what, from, payload) => {
    const it = rig().receive(from, payload);
    expect(it.sent).toEqual([]);
    expect(it.machine.counters.droppedDenied).toBe(1);
  });

  test('all other addresses are served as before', () => {
    const it = rig()
      .receive(PEER_MAPPED, solicitation())
      .receive(PEER_MAPPED, buildBubble(B, B, 21));
    expect(it.sent).toHaveLength(2);
    expect(it.machine.counters.droppedDenied).toBe(0);
  });
});

test('the list may change at any time, and an empty one allows all addresses', () => {
  const rig = new ServerRig();
  const got = (payload: Uint8Array, from: Endpoint) => rig.clear().receive(from, payload).sent.length;
  expect(got(solicitation(), MAPPED)).toBe(1);
  rig.machine.setAccess(DENY_A);
  expect([got(solicitation(), MAPPED), got(buildBubble(B, A, 21), PEER_MAPPED)]).toEqual([0, 0]);
  rig.machine.setAccess(access('+192.0.2.1'));
  expect([got(solicitation(), MAPPED), got(solicitation(), PEER_MAPPED)]).toEqual([1, 0]);
  expect(got(buildBubble(A, B, 21), MAPPED)).toBe(0);
  rig.machine.setAccess(access());
  expect([got(solicitation(), MAPPED), got(buildBubble(B, A, 21), PEER_MAPPED)]).toEqual([1, 1]);
});
