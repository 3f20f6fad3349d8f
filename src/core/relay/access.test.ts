import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { access } from '../../../test/support/access.ts';
import { at, teredo, v6 } from '../../../test/support/client-rig.ts';
import { RelayRig, pairOf } from '../../../test/support/relay-rig.ts';
import { countSteps, fillAndEmpty, sparseClient } from '../../../test/support/sparse-table.ts';
import { buildBubble, formatIpv4, formatIpv6, mappedAddressOf, serverOf, toHex } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { RELAY_LIMITS } from './limits.ts';

const NATIVE = v6('2001:db8::1');
const SERVER = at('198.51.100.118:3544');
const OTHER_SERVER = at('198.51.100.119:3544');
/** Two clients of one server, and one of another. */
const A = teredo(SERVER, at('192.0.2.10:8192'));
const B = teredo(SERVER, at('192.0.2.11:8192'));
const C = teredo(OTHER_SERVER, at('192.0.2.12:8192'));

/** The ICMPv6 errors to native hosts, as type and code: "1.1". */
const errors = (rig: RelayRig) => rig.delivered.map((packet) => `${packet[40]}.${packet[41]}`);

describe('a client that is denied', () => {
  test.each([
    ['by its own address', '-192.0.2.10'],
    ['by the address of its server', '-198.51.100.118'],
  ])('%s: no bubble, no contact, and the native host gets an ICMPv6 error', (_what, rule) => {
    const rig = new RelayRig({ access: access(rule), directBubbles: true })
      .toClient(NATIVE, A)
      .advance(60_000);
    expect([rig.sent, errors(rig)]).toEqual([[], ['1.1']]);
    const [error] = rig.delivered;
    expect([toHex(error, 8, 24), toHex(error, 24, 40)]).toEqual([
      toHex(v6('2001:db8:ffff::1')),
      toHex(NATIVE),
    ]);
    expect(rig.machine.counters).toMatchObject({ droppedDenied: 1, contactsBegun: 0, errorsSent: 1 });
    expect(rig.isKnown(A)).toBe(false);
    expect(rig.clear().toClient(NATIVE, C).bubbles).toHaveLength(2);
  });

  test('is not sent to with trustCone either', () => {
    const cone = teredo(SERVER, at('192.0.2.10:8192'), 0x8000);
    const rig = new RelayRig({ access: access('-192.0.2.10'), trustCone: true }).toClient(NATIVE, cone);
    expect([rig.sent, errors(rig)]).toEqual([[], ['1.1']]);
  });

  test('R-27: errors to the native host are limited', () => {
    const rig = new RelayRig({ access: access('-192.0.2.10') });
    for (let i = 0; i < 1_000; i++) rig.toClient(NATIVE, A);
    expect(rig.delivered.length).toBeGreaterThan(RELAY_LIMITS.errors.burst / 2);
    expect(rig.delivered.length).toBeLessThanOrEqual(RELAY_LIMITS.errors.burst);
    expect(rig.machine.counters.droppedDenied).toBe(1_000);
  });

  test('is ignored: data, bubbles, and octets that are not Teredo', () => {
    const rig = new RelayRig({ access: access('-192.0.2.10') });
    rig.fromClient(A, NATIVE).receive(pairOf(A), Uint8Array.of(1));
    rig.receive(pairOf(A), buildBubble(A, v6('fe80::1'), 21));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters).toMatchObject({
      receivedDatagrams: 3,
      droppedDenied: 3,
      bubblesReceived: 0,
    });
  });

  test('behind a symmetric NAT is ignored if its outer source is denied, although its Teredo address is not', () => {
    const rig = new RelayRig({ access: access('-203.0.113.9') }).toClient(NATIVE, A);
    rig.receive(at('203.0.113.9:1'), buildBubble(A, rig.bubbles[0]!.source, 21));
    expect([rig.data, rig.isTrusted(A)]).toEqual([[], false]);
  });

  test('reaches no other client through this relay, and no other client reaches it', () => {
    const rig = new RelayRig({ access: access('-192.0.2.10', '-198.51.100.119'), meet: true });
    rig.acquaint(NATIVE, B).fromClient(A, B);
    // From an allowed address, with the Teredo address of a denied client, or of a client of a denied server.
    rig.receive(at('192.0.2.99:1'), toB(A)).receive(pairOf(C), toB(C));
    expect(rig.sent).toEqual([]);
    rig.fromClient(B, A).fromClient(B, C);
    expect([rig.sent, errors(rig)]).toEqual([[], ['1.1', '1.1']]);
    expect(rig.machine.counters.droppedDenied).toBe(5);
  });
});

const toB = (from: Ipv6): Uint8Array => {
  const packet = new Uint8Array(40);
  packet.set([0x60, 0, 0, 0, 0, 0, 59, 64]);
  packet.set(from, 8);
  packet.set(B, 24);
  return packet;
};

describe('a list that changes', () => {
  /** All clients are known and offloaded. */
  const acquainted = () => {
    const rig = new RelayRig({ offload: true });
    for (const client of [A, B, C]) rig.acquaint(NATIVE, client).fromClient(client, NATIVE);
    return rig.clear();
  };
  test('ends denied clients: they are removed, unloaded and not answered; the others are not affected', () => {
    const rig = acquainted();
    const slots = [B, C].map((client) => rig.machine.peers.find(client, 0));
    rig.setAccess(access('-192.0.2.10'));
    expect([A, B, C].map((client) => rig.isTrusted(client))).toEqual([false, true, true]);
    expect(rig.isKnown(A)).toBe(false);
    expect(rig.offloads).toEqual([`unload ${formatIpv6(A)}`]);
    expect([B, C].map((client) => rig.machine.peers.find(client, 0))).toEqual(slots);
    rig.clear().fromClient(A, NATIVE).toClient(NATIVE, A).toClient(NATIVE, B).fromClient(C, NATIVE);
    expect(rig.kinds).toEqual(['data 192.0.2.11:8192']);
    expect([errors(rig)[0], rig.delivered.length]).toEqual(['1.1', 2]);
    // Late reports of packets carried before restore nothing.
    rig.clear().carried(A, rig.now - 100, rig.now - 100);
    expect([rig.offloads, rig.isKnown(A)]).toEqual([[`unload ${formatIpv6(A)}`], false]);
  });

  test('ends all clients of a denied server, or of all servers except the allowed one', () => {
    const rig = acquainted().setAccess(access('-198.51.100.118'));
    expect([A, B, C].map((client) => rig.isKnown(client))).toEqual([false, false, true]);
    const other = acquainted().setAccess(access('+192.0.2.11', '+198.51.100.0/24'));
    expect([A, B, C].map((client) => other.isKnown(client))).toEqual([false, true, false]);
    expect(other.offloads).toEqual([A, C].map((client) => `unload ${formatIpv6(client)}`));
  });

  test('ends a client that sends from a denied address, although its Teredo address names another', () => {
    const rig = new RelayRig({ offload: true }).toClient(NATIVE, A);
    rig
      .receive(at('203.0.113.9:1'), buildBubble(A, rig.bubbles[0]!.source, 21))
      .toClient(NATIVE, A)
      .clear();
    rig.setAccess(access('-203.0.113.9'));
    expect([rig.isKnown(A), rig.offloads]).toEqual([false, [`unload ${formatIpv6(A)}`]]);
  });

  test('ends a contact that is under way: no more bubbles, and an error for each packet that waited', () => {
    const rig = new RelayRig().toClient(NATIVE, A).toClient(NATIVE, A).toClient(NATIVE, B);
    const bubble = rig.bubbles[0]!;
    rig.clear().setAccess(access('-192.0.2.10'));
    expect(errors(rig)).toEqual(['1.1', '1.1']);
    expect(rig.machine.counters.droppedDenied).toBe(2);
    rig.clear().advance(1_999).answer(bubble);
    expect([rig.isKnown(A), rig.sent]).toEqual([false, []]);
    rig.advance(60_000);
    expect(new Set(rig.bubbles.map(({ destination }) => formatIpv6(destination)))).toEqual(
      new Set([formatIpv6(B)]),
    );
  });

  test('an answer to an earlier bubble is refused if the server has been denied meanwhile', () => {
    const rig = new RelayRig().toClient(NATIVE, A);
    const bubble = rig.bubbles[0]!;
    rig.setAccess(access('-198.51.100.118')).clear().answer(bubble);
    expect([rig.isKnown(A), rig.sent]).toEqual([false, []]);
  });

  /** Clients of one address, adopted. */
  const crowd = (count: number) => {
    const rig = new RelayRig({ offload: true });
    const peers = Array.from({ length: count }, (_, i) => {
      const mapped = { mappedAddress: at('192.0.2.10:1').address, mappedPort: 8_192 + i };
      const times = { lastReceived: rig.now, lastSent: rig.now };
      return { address: teredo(SERVER, at(`192.0.2.10:${8_192 + i}`)), ...mapped, ...times };
    });
    expect(rig.machine.adopt(peers, rig.now)).toBe(count);
    return rig;
  };

  test('of many denied clients some are removed at a time, all of them in the same moment', () => {
    const rig = crowd(1_800).setAccess(access('-192.0.2.10'));
    const { machine } = rig;
    expect(machine.peers.trustedCount).toBe(1_300);
    for (let left = 1_300; left > 0; left = machine.peers.trustedCount) {
      expect(machine.pollTimeout()).toBeLessThanOrEqual(rig.now);
      machine.handleTimeout(rig.now);
      expect(machine.peers.trustedCount).toBe(Math.max(0, left - 500));
    }
    expect(rig.advance(0).machine.pollTimeout()).toBeGreaterThan(rig.now);
  });

  test('in a large table with few clients no turn looks at many slots, and clients that change in between are judged', () => {
    const rig = new RelayRig();
    const { peers } = rig.machine;
    const [denied, last, own] = [20_000, 40_000, 49_999];
    fillAndEmpty(peers, [denied, last, own]);
    for (const n of [denied, last]) peers.trust(peers.find(sparseClient(n), 0), rig.now);
    const list = access(...[denied, last].map((n) => `-${formatIpv4(mappedAddressOf(sparseClient(n), 0))}`));
    const steps = countSteps(peers);
    rig.setAccess(list);
    expect(steps.take()).toBeLessThanOrEqual(10);
    for (let turns = 0; rig.machine.pollTimeout() <= rig.now; turns++) {
      if (turns === 0) peers.distrust(peers.find(sparseClient(last), 0));
      rig.machine.handleTimeout(rig.now);
      expect(steps.take()).toBeLessThanOrEqual(10);
    }
    expect([denied, last, own].map((n) => rig.isKnown(sparseClient(n)))).toEqual([false, false, true]);
  });

  test('those that are not removed yet stay if nothing is denied any more', () => {
    const rig = crowd(1_800).setAccess(access('-192.0.2.10')).setAccess(access()).advance(1_000);
    expect(rig.machine.peers.trustedCount).toBe(1_300);
  });

  test('serves clients again that are no longer denied', () => {
    const rig = acquainted().setAccess(access('-192.0.2.0/24'));
    expect([rig.machine.peers.trustedCount, rig.machine.peers.unverifiedCount]).toEqual([0, 0]);
    rig.setAccess(access()).clear().toClient(NATIVE, A);
    rig.answer(rig.bubbles[0]!);
    expect(rig.data).toHaveLength(1);
  });

  test('random traffic and lists: no packet to a denied address, no denied peer known or offered', () => {
    const clients = [A, B, C, teredo(OTHER_SERVER, at('203.0.113.9:1')), teredo(SERVER, at('203.0.113.9:2'))];
    const client = fc.constantFrom(...clients);
    const place = fc.constantFrom(at('192.0.2.10:8192'), at('203.0.113.9:1'), at('192.0.2.77:7'));
    const rule = fc.constantFrom(
      ...['192.0.2.10', '192.0.2.0/24', '203.0.113.9', '198.51.100.118', '198.51.100.0/24', '0.0.0.0/0'],
    );
    const step = fc.oneof(
      fc.record({ what: fc.constant('out' as const), client }),
      fc.record({ what: fc.constant('in' as const), client }),
      fc.record({ what: fc.constant('meet' as const), client, other: client }),
      fc.record({ what: fc.constant('answer' as const), place: fc.option(place, { nil: undefined }) }),
      fc.record({ what: fc.constant('wait' as const), ms: fc.nat(10_000) }),
      fc.record({
        what: fc.constant('list' as const),
        deny: fc.uniqueArray(rule, { maxLength: 2 }),
        allow: rule,
      }),
    );
    let [sent, prohibited] = [0, 0];
    const bubbles: { readonly source: Ipv6; readonly destination: Ipv6 }[] = [];
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const rig = new RelayRig({ meet: true, directBubbles: true, offload: true });
        let list = access();
        for (const next of steps) {
          rig.sent = [];
          rig.offloads = [];
          if (next.what === 'out') rig.toClient(NATIVE, next.client);
          else if (next.what === 'in') rig.fromClient(next.client, NATIVE);
          else if (next.what === 'meet') rig.fromClient(next.client, next.other);
          else if (next.what === 'wait') rig.advance(next.ms);
          else if (next.what === 'list') {
            const allow = next.deny.includes(next.allow) ? [] : [`+${next.allow}`];
            list = access(...(next.deny.length === 0 ? [] : allow), ...next.deny.map((text) => `-${text}`));
            rig.setAccess(list);
          } else {
            for (const { source, destination } of bubbles) {
              const from = next.place ?? pairOf(destination);
              rig.receive(from, buildBubble(destination, source, 21));
            }
          }
          bubbles.push(...rig.bubbles);
          sent += rig.sent.length;
          for (const { address } of rig.sent) expect(list.allows(address)).toBe(true);
          for (const peer of rig.machine.peers) {
            const address = rig.machine.peers.address(peer);
            const its = [
              mappedAddressOf(address, 0),
              serverOf(address, 0),
              rig.machine.peers.mappedAddress[peer]!,
            ];
            expect(its.every((one) => list.allows(one))).toBe(true);
          }
          for (const text of rig.offloads.filter((line) => line.startsWith('offload'))) {
            const [, , pair] = text.split(' ');
            expect(list.allows(at(pair!).address)).toBe(true);
          }
        }
        bubbles.length = 0;
        prohibited += rig.machine.counters.droppedDenied;
      }),
      { numRuns: 500 },
    );
    expect(sent).toBeGreaterThan(200);
    expect(prohibited).toBeGreaterThan(200);
  });
});
