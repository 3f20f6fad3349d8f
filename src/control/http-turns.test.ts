import { expect, test } from 'vitest';
import { threadTimeMs } from '../io/thread-time.ts';
import { FairQueue } from './fair-queue.ts';
import { HttpTurns } from './http-turns.ts';

const [ONE, OTHER] = [
  { uid: 1000, pid: 1 },
  { uid: 1001, pid: 2 },
];

test('a request is served, and its first piece made, in one turn; the others wait for further turns', async () => {
  const queue = new FairQueue(0);
  const done: string[] = [];
  const turns = new HttpTurns(queue, ONE);
  let all: Promise<unknown> | undefined;
  const begun = turns.begin(() => {
    done.push('served');
    all = turns.take(() => done.push('first')).then(() => turns.take(() => done.push('second')));
  });
  const other = queue.take(OTHER, () => done.push('other'));
  await begun;
  await Promise.all([all, other]);
  expect(done).toEqual(['served', 'first', 'other', 'second']);
});

test('a request whose answer takes more than a turn of the event loop keeps no turn', async () => {
  const queue = new FairQueue(0);
  await new HttpTurns(queue, ONE).begin(() => {});
  expect(await queue.take(OTHER, () => 'other')).toBe('other');
});

test('the time of reading and answering counts: the next asker waits for a rest', async () => {
  const queue = new FairQueue(10);
  const work = (ms: number): void => {
    const end = threadTimeMs() + ms;
    while (threadTimeMs() < end);
  };
  const begun = performance.now();
  await new HttpTurns(queue, ONE).begin(() => work(10));
  await queue.take(OTHER, () => {});
  expect(performance.now() - begun).toBeGreaterThan(40);
});

test('an asker that has gone is not served', async () => {
  const queue = new FairQueue(0);
  const end = await queue.begin(OTHER);
  let isServed = false;
  const begun = new HttpTurns(queue, ONE).begin(() => (isServed = true));
  queue.leave(ONE);
  await begun;
  end!();
  expect(isServed).toBe(false);
});
