import { expect, test } from 'vitest';
import { v4, v6 } from '../../../test/support/client-rig.ts';
import { formatIpv6 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { followOffers } from './offers.ts';
import type { Offer } from './offers.ts';

const PEERS = [1, 2, 3, 4].map((i) => v6(`2001:0:cb00:7178::${i}`));
const PLACE = { address: v4('198.51.100.7'), port: 40_000, localPort: 3_545 };

/** Carries out offers, of which the one to `failing` fails. Result: a peer's number, with + (put in) or - (taken out). */
function follow(offers: readonly [Ipv6, 'in' | 'out'][], failing?: Ipv6): { done: string[]; error: unknown } {
  const done: string[] = [];
  let later: string[] = [];
  const name = (peer: Uint8Array): string => formatIpv6(peer).slice(-1);
  const queue = offers.map(([peer, way]): Offer => ({
    peer,
    place: way === 'in' ? PLACE : undefined,
    heardAtMs: 0,
  }));
  try {
    followOffers(
      queue,
      (peer) => done.push(`-${name(peer)}`),
      (peer) => {
        if (peer === failing) throw new Error('no route');
        later.push(`+${name(peer)}`);
      },
      () => {
        done.push(...later);
        later = [];
      },
    );
  } catch (error) {
    return { done, error };
  }
  return { done, error: undefined };
}

const [A, B, C, D] = PEERS as [Ipv6, Ipv6, Ipv6, Ipv6];

test('offers are carried out in their order', () => {
  const all = follow([
    [A, 'in'],
    [B, 'out'],
    [A, 'out'],
    [B, 'in'],
  ]);
  expect(all).toEqual({ done: ['+1', '-2', '-1', '+2'], error: undefined });
});

test('an offer that fails does not stop withdrawals; it and the offers after it are not carried', () => {
  const { done, error } = follow(
    [
      [A, 'in'],
      [B, 'in'],
      [C, 'out'],
      [D, 'in'],
    ],
    B,
  );
  expect(done).toEqual(['+1', '-2', '-3', '-4']);
  expect(error).toEqual(new Error('no route'));
});
