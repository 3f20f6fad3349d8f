import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KnownQualification } from '../core/client/index.ts';
import { PeerTable } from '../core/peer-table.ts';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { parseIpv4, parseIpv6 } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { wholeState } from '../../test/support/handover-rig.ts';
import { clientState, fitsServers, readClient } from './client-handover.ts';

const ADDRESS = parseIpv6('2001:0:cb00:7178:147f:33d6:39cc:9bfe')!;
const PEERS = ['2001:db8::1', '2001:db8::2'].map((text) => parseIpv6(text)!);
const SERVERS = [{ primary: parseIpv4('203.0.113.120')!, secondary: undefined }];
const QUALIFICATION: KnownQualification = {
  verified: true,
  symmetric: false,
  portStep: 0xfffe,
  roundTripMs: 12,
  localAddress: parseIpv4('10.1.0.2'),
};
const NOW = 1_000_000;

/** The state of a client with two trusted peers, of which the second has no marks. */
function stateOf(address: Ipv6 | undefined, qualification?: KnownQualification): Uint8Array {
  const peerTable = new PeerTable({ trusted: 10, unverified: 10 }, new SeededEntropy(1), () => {});
  for (const address of PEERS) {
    const peer = peerTable.insert(address, 0);
    peerTable.mappedAddress[peer] = parseIpv4('192.0.2.200')!;
    peerTable.mappedPort[peer] = 3545;
    peerTable.lastReceived.set(peer, NOW - 20);
    peerTable.trust(peer, NOW);
  }
  const [reached] = PEERS;
  const marksOf = (peer: number): number | undefined =>
    peer === peerTable.find(reached!, 0) ? 0xa5 : undefined;
  return wholeState(clientState({ address, qualification, peerTable, marksOf }, NOW));
}

test('the successor gets the address, the qualification and the peers with marks', () => {
  const { peers, ...rest } = readClient(stateOf(ADDRESS, QUALIFICATION), 500)!;
  expect(rest).toEqual({ address: ADDRESS, qualification: QUALIFICATION });
  const [mappedAddress, mappedPort] = [parseIpv4('192.0.2.200'), 3545];
  const times = { lastReceived: 480, lastSent: -Infinity };
  expect([...peers]).toEqual([
    { address: PEERS[0], mappedAddress, mappedPort, ...times, marks: 0xa5, hasLeft: false },
  ]);
});

test('a client that is not qualified leaves its address only', () => {
  const { address, qualification, peers } = readClient(stateOf(ADDRESS), 500)!;
  expect([address, qualification, [...peers]]).toEqual([ADDRESS, undefined, []]);
  expect(readClient(stateOf(undefined), 500)!.address).toBeUndefined();
});

test('an interface fits if its address is of one of the servers, or if it has none', () => {
  expect(fitsServers(stateOf(ADDRESS), SERVERS)).toBe(true);
  expect(fitsServers(stateOf(undefined), SERVERS)).toBe(true);
  expect(fitsServers(stateOf(ADDRESS), [{ primary: 1, secondary: undefined }])).toBe(false);
  expect(fitsServers(undefined, SERVERS)).toBe(false);
});

test('any octets can be read, and no others than those of a client fit', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (rest) => {
      for (const state of [rest, Uint8Array.of(1, 0, 0, 3, ...rest)]) {
        const peers = [...(readClient(state, 7)?.peers ?? [])];
        for (const { lastReceived } of peers) expect(lastReceived).toBeLessThanOrEqual(7);
      }
      if (rest[0] !== 1) expect(fitsServers(rest, SERVERS)).toBe(false);
    }),
  );
});
