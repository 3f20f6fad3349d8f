import { expect, test } from 'vitest';
import { v6 } from '../../../test/support/client-rig.ts';
import type { Carried } from '../../core/offload/carried.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { formatIpv6 } from '../../wire/index.ts';
import type { PeerStep } from './client-messages.ts';
import { GivenPeers } from './given-peers.ts';
import { PairShares } from './pair-shares.ts';

const SERVICE = 3_545;
const [A, B, C] = [v6('2001:db8::a'), v6('2001:db8::b'), v6('2001:db8::c')];

function given(workers = 2, hasRoom = true) {
  const posted: string[] = [];
  const shared: string[] = [];
  const clock = new MemoryClock();
  const inWords = ({ peer, place }: PeerStep): string =>
    `${formatIpv6(peer)} ${place === undefined ? 'back' : `${place.address}:${place.port}, ${place.heardMsAgo} ms ago`}`;
  const peers = new GivenPeers({
    workers,
    clock,
    servicePort: SERVICE,
    post: (worker, steps) => posted.push(...steps.map((step) => `${worker}: ${inWords(step)}`)),
    sharing: {
      give: (buffer, offset, address, port, worker) => {
        shared.push(`${formatIpv6(buffer.slice(offset, offset + 16))} ${address}:${port} to ${worker}`);
        return hasRoom;
      },
      takeBack: (buffer, offset) => shared.push(`${formatIpv6(buffer.slice(offset, offset + 16))} back`),
      close: () => shared.push('closed'),
    },
  });
  const said = (): string[] => {
    peers.flush();
    return [...posted.splice(0), ...shared.splice(0)];
  };
  const offer = (peer: Uint8Array, address: number, port: number, localPort?: number): string[] => {
    peers.offload(peer, 0, address, port, clock.now() - 5, localPort);
    return said();
  };
  return { peers, said, offer };
}

test('a peer is given to a worker, and its packets go there once the worker has it; then it is taken back', () => {
  const { peers, said, offer } = given();
  expect(offer(A, 1, 2)).toEqual(['1: 2001:db8::a 1:2, 5 ms ago']);
  peers.took(1, A);
  expect(said()).toEqual(['2001:db8::a 1:2 to 1']);
  expect(offer(A, 1, 2)).toEqual(['1: 2001:db8::a 1:2, 5 ms ago']);
  peers.unload(A, 0);
  expect(said()).toEqual(['1: 2001:db8::a back', '2001:db8::a back']);
  peers.unload(A, 0);
  expect(said()).toEqual([]);
  expect(peers.size).toBe(0);
});

test('each worker gets the next new pair, the first thread last; all peers at one pair are of one worker', () => {
  const { offer } = given(3);
  expect(offer(A, 1, 1)).toEqual([expect.stringMatching(/^2: /)]);
  expect(offer(B, 2, 1)).toEqual([expect.stringMatching(/^1: /)]);
  expect(offer(C, 3, 1)).toEqual([]);
  expect(offer(v6('2001:db8::d'), 2, 1)).toEqual([expect.stringMatching(/^1: /)]);
  expect(offer(v6('2001:db8::e'), 2, 2)).toEqual([expect.stringMatching(/^2: /)]);
});

test('a peer with another place is taken back first; one with a socket of its own stays in the first thread', () => {
  const { peers, said, offer } = given();
  offer(A, 1, 1);
  peers.took(1, A);
  said();
  expect(offer(A, 1, 7)).toEqual(['1: 2001:db8::a back', '1: 2001:db8::a 1:7, 5 ms ago', '2001:db8::a back']);
  peers.took(1, A);
  said();
  expect(offer(A, 1, 7, 50_000)).toEqual(['1: 2001:db8::a back', '2001:db8::a back']);
  expect(peers.size).toBe(0);
});

test('a worker that took a peer too late gives it back', () => {
  const { peers, said, offer } = given();
  offer(A, 1, 1);
  peers.unload(A, 0);
  said();
  peers.took(1, A);
  expect(said()).toEqual(['1: 2001:db8::a back']);
});

test('a peer that a worker has given up is forgotten, and given again when it is heard', () => {
  const { peers, said, offer } = given();
  offer(A, 1, 1);
  peers.took(1, A);
  said();
  peers.gaveUp(2, A);
  expect(said()).toEqual([]);
  peers.gaveUp(1, A);
  expect(said()).toEqual(['2001:db8::a back']);
  expect(offer(A, 1, 1)).toEqual([expect.stringMatching(/^1: /)]);
});

test('a peer for which the kernel has no room stays where it is', () => {
  const { peers, said, offer } = given(2, false);
  offer(A, 1, 1);
  peers.took(1, A);
  said();
  peers.unload(A, 0);
  expect(said()).toEqual(['1: 2001:db8::a back']);
});

test('reports go to the machine; at the end all peers are taken back', () => {
  const { peers, said, offer } = given();
  const heard: Carried[] = [];
  peers.start({ onCarried: (report) => heard.push(report), onReset: () => {}, onLost: () => {} });
  peers.carried({ count: 0 } as Carried);
  expect(heard).toHaveLength(1);
  offer(A, 1, 1);
  peers.took(1, A);
  said();
  peers.end();
  expect(said()).toEqual(['1: 2001:db8::a back', '2001:db8::a back', 'closed']);
});

test('when it closes, packets of all peers go to the first thread, for a successor', () => {
  const { peers, said, offer } = given();
  offer(A, 1, 1);
  peers.took(1, A);
  said();
  peers.close();
  expect(said()).toEqual(['2001:db8::a back', 'closed']);
});

test('a pair that has no peers any more makes room at its worker', () => {
  const shares = new PairShares(2);
  const [one, two, three] = [1, 2, 3].map((port) => ({ address: 9, port }));
  expect([one, two].map((pair) => shares.take(pair!))).toEqual([1, 0]);
  expect(shares.take(one!)).toBe(1);
  shares.release(one!);
  shares.release(two!);
  expect(shares.take(three!)).toBe(0);
  shares.release(one!);
  expect(shares.take(two!)).toBe(1);
});
