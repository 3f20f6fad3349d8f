import { describe, expect, test } from 'vitest';
import { MAPPED, PRIMARY, teredo, v6 } from '../../../test/support/client-rig.ts';
import { packetOf } from '../../../test/support/machine-rig.ts';
import { RelayRig } from '../../../test/support/relay-rig.ts';
import { formatIpv6 } from '../../wire/index.ts';
import type { UserWindow } from './index.ts';

const CLIENT = teredo(PRIMARY, MAPPED);
const OTHER = teredo(PRIMARY, { ...MAPPED, port: 7 });
const NATIVE = v6('2001:db8:1:2::1');
const NEIGHBOUR = v6('2001:db8:1:2::99');
const ELSEWHERE = v6('2001:db8:1:3::1');
const HEADER = 40;

/** As text: user, octets received from it, sent to it. */
function seen(rig: RelayRig, window: UserWindow = 'minute') {
  const { peers, prefixes } = rig.machine.usersOver(window, 10, rig.now);
  const rows = (users: typeof peers) =>
    users.users.map(({ address, receivedBytes, sentBytes, errorBytes }) =>
      [formatIpv6(address), receivedBytes, sentBytes, errorBytes].join(' '),
    );
  return { peers: rows(peers), prefixes: rows(prefixes) };
}

describe('users of a relay', () => {
  test('are the clients and the /64 prefixes of native hosts, by the octets of their packets', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).acquaint(NATIVE, OTHER);
    const first = HEADER + 8; // the packet that began the contact
    rig.fromClient(CLIENT, NATIVE, 1_000).fromClient(CLIENT, NEIGHBOUR, 1_000);
    rig.toClient(ELSEWHERE, CLIENT, 500).toClient(ELSEWHERE, OTHER, 100);
    const [client, other] = [formatIpv6(CLIENT), formatIpv6(OTHER)];
    expect(seen(rig)).toEqual({
      peers: [
        `${client} ${2 * (HEADER + 1_000)} ${first + HEADER + 500} 0`,
        `${other} 0 ${first + HEADER + 100} 0`,
      ],
      prefixes: [
        `2001:db8:1:2:: ${2 * first} ${2 * (HEADER + 1_000)} 0`,
        `2001:db8:1:3:: ${2 * HEADER + 600} 0 0`,
      ],
    });
  });

  test('packets that are not relayed do not count', () => {
    const rig = new RelayRig();
    rig.fromClient(CLIENT, NATIVE, 1_000).toClient(NATIVE, CLIENT);
    rig.offer(packetOf(v6('fe80::1'), CLIENT, 100));
    rig.advance(20_000);
    expect(rig.machine.counters).toMatchObject({
      droppedUnsolicited: 1,
      droppedForeignSource: 1,
      droppedNoAnswer: 1,
    });
    expect(seen(rig)).toEqual({ peers: [], prefixes: [] });
  });

  test('two clients that meet are two clients, and no prefix', () => {
    const rig = new RelayRig({ meet: true }).acquaint(NATIVE, CLIENT).acquaint(NATIVE, OTHER);
    const before = seen(rig).prefixes;
    rig.fromClient(CLIENT, OTHER, 200);
    const first = HEADER + 8;
    expect(seen(rig)).toEqual({
      peers: [
        `${formatIpv6(CLIENT)} ${HEADER + 200} ${first} 0`,
        `${formatIpv6(OTHER)} 0 ${first + HEADER + 200} 0`,
      ],
      prefixes: before,
    });
  });

  test('a long run of packets between the same users is counted while it lasts', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    for (let second = 0; second < 100; second++) rig.advance(1_000).fromClient(CLIENT, NATIVE, 960);
    const { ms, peers } = rig.machine.usersOver('minute', 1, rig.now);
    expect(Math.abs(peers.users[0]!.receivedBytes - ms)).toBeLessThanOrEqual(1_000);
    expect(rig.machine.usersOver('hour', 1, rig.now).peers.users[0]!.receivedBytes).toBe(100_000);
  });

  test('a report without packets makes no user', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).advance(70_000);
    const nothing = { receivedPackets: 0, receivedBytes: 0, sentPackets: 0, sentBytes: 0 };
    rig.machine.handleCarried(CLIENT, 0, rig.now, -Infinity, rig.now, nothing);
    expect(seen(rig).peers).toEqual([]);
  });

  test('a late report is in the last hour, but not in the last minute', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).advance(70_000);
    const carried = { receivedPackets: 2, receivedBytes: 3_000_000, sentPackets: 0, sentBytes: 0 };
    rig.machine.handleCarried(CLIENT, 0, rig.now - 61_000, -Infinity, rig.now, carried);
    expect(seen(rig).peers).toEqual([]);
    expect(seen(rig, 'hour').peers).toEqual([`${formatIpv6(CLIENT)} 3000000 48 0`]);
  });

  test('what the kernel path has carried counts: of clients exactly, of prefixes as its tallies say', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).advance(70_000);
    const carried = { receivedPackets: 2, receivedBytes: 3_000_000, sentPackets: 1, sentBytes: 1_000_000 };
    rig.machine.handleCarried(CLIENT, 0, rig.now, rig.now, rig.now, carried);
    rig.machine.handleTallies(NATIVE, 0, 16, 48, rig.now);
    expect(seen(rig)).toEqual({
      peers: [`${formatIpv6(CLIENT)} 3000000 1000000 0`],
      prefixes: [`2001:db8:1:2:: ${16 * 65_536} ${48 * 65_536} ${3 * 8 * 65_536}`],
    });
  });
});
