import { expect, test } from 'vitest';
import { findGenerators } from '../../bench/generators.ts';
import { Watch } from '../../bench/machine/watch.ts';
import { NewClients } from '../../bench/new-clients.ts';

/** A relay that reaches so many clients in a trial, while there are as many. */
const relayOf = (perTrial: (generators: number) => number) => ({
  meet: (from: number, to: number, seconds = 1, generators = 1) => {
    const sent = Math.min(to - from, perTrial(generators));
    return Promise.resolve({ sent, arrived: sent, seconds: sent === 0 ? 0 : seconds });
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
});

test('the search for the number of generators ends for lack of rate, not of clients that the relay does not know', async () => {
  let relays = 0;
  const open = () => {
    relays++;
    return Promise.resolve(relayOf((generators) => 50 + 20 * generators));
  };
  await using clients = new NewClients(open, 500, 1_000);
  const watch = new Watch(true, () => {});
  const found = await findGenerators({ quick: false }, 3, async (generators) => {
    const { value } = await watch.during(
      () => clients.meet(1, generators),
      () => clients.prepare(),
    );
    return value.arrived / value.seconds;
  });
  expect(found).toEqual({ count: 3, isBound: true });
  expect(relays).toBe(2);
});
