import { expect, test } from 'vitest';
import { FirstPeers } from './peer-order.ts';
import type { RankedPeer } from './peer-order.ts';
import type { PeerStatus } from './status.ts';

function heard(receivedAt: number): RankedPeer {
  const address = `2001::${receivedAt}`;
  return {
    ...{ octets: 0, receivedAt },
    address: () => address,
    status: () => ({ address }) as PeerStatus,
  };
}

test('peers heard within a tenth of a second come in their order, page by page', () => {
  const times = Array.from({ length: 250 }, (_, i) => 10_000 + ((i * 7) % 250));
  const shown: string[] = [];
  let after: string | undefined;
  do {
    const page = new FirstPeers('heard', 100, after);
    for (const at of [...times, -Infinity]) page.add(heard(at));
    shown.push(...[...page.peers()].map(({ address }) => address));
    after = page.next;
  } while (after !== undefined);
  expect(shown).toEqual([...Array.from({ length: 250 }, (_, i) => `2001::${10_249 - i}`), '2001::-Infinity']);
});
