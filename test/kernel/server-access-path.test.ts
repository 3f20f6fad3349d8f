/** The access list of the server's program denies the same addresses as that of its machine. */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AccessList, MAX_ACCESS_PREFIXES } from '../../src/core/access-list.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { buildBubble, formatIpv4Prefix, ipv4Mask } from '../../src/wire/index.ts';
import type { Endpoint } from '../../src/wire/index.ts';
import { access } from '../support/access.ts';
import { MAPPED, PEER_MAPPED, PRIMARY, SECONDARY, at, teredo, v4, v6 } from '../support/client-rig.ts';
import { ServerProgramRig } from '../support/server-program-rig.ts';
import { solicitation } from '../support/server-rig.ts';

const A = teredo(PRIMARY, MAPPED);
const RELAY = at('192.0.2.200:3545');

let rig: ServerProgramRig;
beforeAll(() => {
  enterNewNetwork();
  rig = new ServerProgramRig();
});
afterAll(() => rig.close());

describe('the access list', () => {
  const between = (from: Endpoint, to: Endpoint) =>
    buildBubble(teredo(PRIMARY, from), teredo(PRIMARY, to), 21);
  afterEach(() => rig.setAccess(access()));

  test('a denied address is not answered, and nothing is forwarded from or to it; each datagram is counted', () => {
    rig.setAccess(access('-192.0.2.1')); // MAPPED
    const before = rig.program.readCounters();
    for (const to of [PRIMARY, SECONDARY]) {
      expect(rig.both(solicitation(), { to })).toBe('denied');
      expect(rig.both(between(MAPPED, PEER_MAPPED), { to })).toBe('denied');
      expect(rig.both(between(PEER_MAPPED, MAPPED), { from: PEER_MAPPED, to })).toBe('denied');
    }
    // Its other datagrams do not reach the process, either.
    for (const payload of [Uint8Array.of(1), new Uint8Array(1_400), buildBubble(A, v6('2001:db8::1'), 21)])
      expect(rig.both(payload)).toBe('denied');
    const after = rig.program.readCounters();
    expect(after.droppedDenied - before.droppedDenied).toBe(9);
    expect(after.receivedDatagrams - before.receivedDatagrams).toBe(9);
    expect(rig.both(solicitation(), { from: PEER_MAPPED })).toBe('decided');
    expect(rig.both(between(PEER_MAPPED, RELAY), { from: PEER_MAPPED })).toBe('decided');
  });

  test('a bubble to a denied address takes nothing from a limit', () => {
    rig.setAccess(access('-192.0.2.1'));
    const none = { perSecond: 0, burst: 0 };
    rig.setBudgets({ forwardedByPair: { shared: { perSecond: 0, burst: 1 }, member: none, reserve: none } });
    for (let i = 0; i < 3; i++)
      expect(rig.both(between(PEER_MAPPED, MAPPED), { from: PEER_MAPPED })).toBe('denied');
    rig.setAccess(access());
    expect(rig.both(between(PEER_MAPPED, MAPPED), { from: PEER_MAPPED })).toBe('decided');
    rig.setBudgets();
  });

  test('with a list of allowed prefixes only those are served; without a list every address is', () => {
    rig.setAccess(access('+192.0.2.10')); // PEER_MAPPED
    expect(rig.both(solicitation())).toBe('denied');
    expect(rig.both(solicitation(), { from: PEER_MAPPED })).toBe('decided');
    rig.setAccess(access('-192.0.2.0/24', '+192.0.2.1'));
    expect(rig.both(solicitation())).toBe('decided');
    expect(rig.both(solicitation(), { from: PEER_MAPPED })).toBe('denied');
    expect(rig.both(solicitation(), { from: at('198.51.100.1:1') })).toBe('decided');
    rig.setAccess(access());
    expect(rig.both(solicitation(), { from: PEER_MAPPED })).toBe('decided');
  });

  test('a list has room for the permitted number of prefixes', () => {
    const deny = Array.from({ length: MAX_ACCESS_PREFIXES }, (_, i) => ({
      address: v4('198.51.0.0') + 2 * i,
      length: 32,
    }));
    rig.setAccess(new AccessList({ deny }));
    for (const { address } of deny) {
      expect(rig.both(solicitation(), { from: { address, port: 1 } })).toBe('denied');
      expect(rig.both(solicitation(), { from: { address: address + 1, port: 1 } })).toBe('decided');
    }
  });

  test('random lists: the program decides like the machine', () => {
    // Few different first octets, so that prefixes are nested and match.
    const address = fc
      .tuple(fc.constantFrom('192.0.2.0', '198.51.100.0'), fc.nat(7))
      .map(([a, i]) => v4(a) + i);
    const length = fc.oneof(fc.integer({ min: 28, max: 32 }), fc.nat(32));
    const prefix = fc.record({ address, length }).map((one) => ({
      address: (one.address & ipv4Mask(one.length)) >>> 0,
      length: one.length,
    }));
    const rules = fc.uniqueArray(fc.tuple(prefix, fc.boolean()), {
      selector: ([one]) => formatIpv4Prefix(one),
      maxLength: 8,
    });
    const traffic = fc.array(fc.tuple(address, address, fc.boolean()), { minLength: 1, maxLength: 8 });
    const seen = new Set<string>();
    fc.assert(
      fc.property(rules, traffic, (given, datagrams) => {
        const of = (wanted: boolean) =>
          given.flatMap(([one, isAllowed]) => (isAllowed === wanted ? [one] : []));
        rig.setAccess(new AccessList({ allow: of(true), deny: of(false) }));
        for (const [source, target, isBubble] of datagrams) {
          const from = { address: source, port: 4_000 };
          const payload = isBubble ? between(from, { address: target, port: 5_000 }) : solicitation();
          const verdict = rig.both(payload, { from });
          expect(verdict).not.toBe('left');
          seen.add(verdict);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(seen).toEqual(new Set(['decided', 'denied']));
  });
});
