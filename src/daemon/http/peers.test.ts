import { expect, onTestFinished, test, vi } from 'vitest';
import { answerPeers } from './peers.ts';
import type { HttpSource } from './source.ts';

const STEPS = 200;

/** A source with one peer behind many steps without one; each step takes half a millisecond. */
function sparseSource(takeStep: () => void): HttpSource {
  const items = function* (): Generator<object | undefined> {
    for (let i = 0; i < STEPS; i++) {
      takeStep();
      yield i === STEPS - 2 ? { address: '2001::1' } : undefined;
    }
  };
  const peers = () => ({ ok: true, result: { version: 1 }, list: 'peers', items: items() });
  return { name: 'it', peers } as unknown as HttpSource;
}

test('a piece without peers ends its turn', async () => {
  let [now, steps, most] = [0, 0, 0];
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  onTestFinished(() => clock.mockRestore());
  const source = sparseSource(() => ((now += 0.5), steps++));
  const turn = async <T>(work: () => T): Promise<T> => {
    const before = steps;
    const result = work();
    most = Math.max(most, steps - before);
    return result;
  };
  const asker = { isMaster: true, user: 0, isRemote: false, turn, endless: () => {} };
  const asked = { path: '/api/v1/peers', query: new URLSearchParams(), headers: {}, isHead: false, asker };
  const { body } = await answerPeers(asked, source);
  if (typeof body === 'string') throw new Error('not in pieces');
  let text = '';
  for (let piece = await body.next(); piece !== undefined; piece = await body.next()) text += piece;
  expect(JSON.parse(text)).toEqual({ version: 1, peers: [{ address: '2001::1' }] });
  expect([steps, most]).toEqual([STEPS, 2]);
});
