/** Many peers are offered by one call: the entries are those that are made one by one. */
import { expect, onTestFinished, test } from 'vitest';
import { OFFER_RESULT, PEER, UNIT_SHIFT, WAY } from '../../src/linux/bpf/layout.ts';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import { PeerMap } from '../../src/linux/bpf/peer-map.ts';
import type { PlacedOffer } from '../../src/linux/bpf/peer-map.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { Memory } from '../../src/linux/libc.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { makeTeredoAddress } from '../../src/wire/index.ts';
import { monotonic } from '../support/carrying-programs.ts';
import { at, v4 } from '../support/client-rig.ts';

const SERVER = v4('198.51.100.118');
const PLACE = at('198.51.100.7:40000');
const MOST = 200;
/** Later than the offers, ns: a whole number of the programs' units. */
const LATER = 6_000 * 2 ** UNIT_SHIFT;

function open() {
  enterNewNetwork();
  const program = loadPeerProgram({ peers: MOST, served: 1, proofs: 1, reports: 4_096 });
  onTestFinished(() => program.close());
  const fd = program.map('peers');
  return { fd, peers: new PeerMap(fd, program.program('amend'), program.program('offer')) };
}

function offerOf(i: number, changes: Partial<PlacedOffer> = {}): PlacedOffer {
  const peer = makeTeredoAddress({
    server: SERVER,
    flags: 0,
    mappedAddress: 0x0808_0000 + i,
    mappedPort: 4_000,
  });
  const route = { address: PLACE.address + i, port: PLACE.port, localPort: 3_545, uplink: 3 };
  return { peer, ...route, heardAt: 5_000e6 + i, ...changes };
}

const results = (peers: PeerMap, offers: readonly PlacedOffer[]): number[] => {
  const all: number[] = [];
  peers.putMany(offers, (offer, result) => {
    expect(offer).toBe(offers[all.length]);
    all.push(result);
  });
  return all;
};

/** The octets of a peer's entry. */
function entry(fd: number, { peer }: PlacedOffer): DataView {
  const [key, value] = [new Memory(16), new Memory(PEER.SIZE)];
  key.bytes.set(peer);
  check('lookup', libbpf().lookup(fd, key.address, value.address));
  return value.view;
}

/** Offsets of the fields that follow the time at which the entry is made: notices, reports and samples. */
const isOfNow = (octet: number): boolean =>
  (octet >= PEER.lastNotice && octet < PEER.socketHeard) || octet >= PEER.lastSampleIn;
const octetsOf = (view: DataView): number[] =>
  [...new Uint8Array(view.buffer, view.byteOffset, PEER.SIZE)].map((octet, i) => (isOfNow(i) ? 0 : octet));

test('an entry is as if it was made by itself', () => {
  const { fd, peers } = open();
  const [one, other] = [offerOf(1), offerOf(2, { heardAt: -Infinity })];
  expect(results(peers, [one, other])).toEqual([OFFER_RESULT.added, OFFER_RESULT.added]);
  const made = [one, other].map((offer) => octetsOf(entry(fd, offer)));
  for (const { peer } of [one, other]) peers.take(peer, 0, {} as never);
  const now = monotonic() * 1e6;
  for (const offer of [one, other]) expect(peers.put(offer.peer, 0, offer, offer.heardAt, now)).toBe(0);
  expect([one, other].map((offer) => octetsOf(entry(fd, offer)))).toEqual(made);
});

test('more than fit into one call, in their order, up to the limit of the table', () => {
  const { peers } = open();
  const all = Array.from({ length: MOST + 10 }, (_, i) => offerOf(i));
  const found = results(peers, all);
  expect(found.slice(0, MOST).every((result) => result === OFFER_RESULT.added)).toBe(true);
  expect(found.slice(MOST).every((result) => result === OFFER_RESULT.refused)).toBe(true);
  expect(peers.size).toBe(MOST);
  expect(results(peers, all.slice(0, MOST))).toEqual(Array.from({ length: MOST }, () => OFFER_RESULT.known));
  expect(peers.size).toBe(MOST);
});

test('a known peer is heard, never earlier than before; at another place it is left as it is', () => {
  const { peers } = open();
  const first = offerOf(1);
  results(peers, [first]);
  expect(peers.setWay(first.peer, WAY.bare, 2, 0)).toBe(true);
  const heard = (): number => peers.state(first.peer, 0)!.lastReceived;
  expect(results(peers, [offerOf(1, { heardAt: LATER })])).toEqual([OFFER_RESULT.known]);
  expect(heard()).toBe(LATER);
  expect(peers.state(first.peer, LATER)!.socketHeardAgo).toBeLessThan(68e6); // one unit
  results(peers, [offerOf(1, { heardAt: 1_000e6 }), offerOf(1, { heardAt: -Infinity })]);
  expect(heard()).toBe(LATER);
  const elsewhere = [{ address: PLACE.address }, { port: 1 }, { localPort: 1 }, { uplink: 4 }];
  for (const changes of elsewhere)
    expect(results(peers, [offerOf(1, { heardAt: 9_000e6, ...changes })])).toEqual([OFFER_RESULT.elsewhere]);
  expect(peers.state(first.peer, 0)).toMatchObject({
    way: WAY.bare,
    failures: 2,
    uplink: 3,
    lastReceived: LATER,
  });
});
