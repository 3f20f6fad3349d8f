import { expect, test } from 'vitest';
import { LimitHits } from './limit-hits.ts';

test('each limit has its own count, and taking it resets it', () => {
  const hits = new LimitHits();
  expect(hits.isPending).toBe(false);
  hits.ipv4('answers', 0xc0000201);
  hits.ipv4('answers', 0xc0000202, 3);
  hits.network('errors', 0x20010db8, 2);
  hits.others('answers', 5);
  expect([...hits.pending()]).toEqual([
    { limit: 'answers', times: 9 },
    { limit: 'errors', times: 1 },
  ]);
  expect(hits.take('answers')).toEqual({
    limit: 'answers',
    times: 9,
    subjects: [
      { kind: 'ipv4', words: [0xc0000202, 0], times: 3 },
      { kind: 'ipv4', words: [0xc0000201, 0], times: 1 },
    ],
  });
  expect(hits.isPending).toBe(true);
  hits.take('errors');
  expect(hits.isPending).toBe(false);
  expect(hits.take('answers')).toEqual({ limit: 'answers', times: 0, subjects: [] });
});

test('the most frequent subject is found among 100,000 others, and never counted too high', () => {
  const hits = new LimitHits();
  for (let i = 0; i < 100_000; i++) {
    hits.ipv4('answers', 0x08000000 + i);
    if (i % 4 === 0) hits.ipv4('answers', 0x01020304);
  }
  const { times, subjects } = hits.take('answers');
  expect(times).toBe(125_000);
  expect(subjects).toHaveLength(8);
  expect(subjects[0]!.words).toEqual([0x01020304, 0]);
  expect(subjects[0]!.times).toBeLessThanOrEqual(25_000);
  expect(subjects[0]!.times).toBeGreaterThan(20_000);
});

test('a Teredo client counts by its IPv4 address, a native host by its /64', () => {
  const hits = new LimitHits();
  const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
  hits.ipv6('queue', bytes('20010000c00002010000ffff3efffdfe'), 0);
  hits.ipv6('queue', bytes('20010db8000000020000000000000001'), 0);
  hits.ipv6('queue', bytes('20010db8000000020000000000000002'), 0);
  expect(hits.take('queue').subjects).toEqual([
    { kind: '/64', words: [0x20010db8, 2], times: 2 },
    { kind: 'ipv4', words: [0xc1000201, 0], times: 1 },
  ]);
});

test('the report of another count is added, subjects and all', () => {
  const [hits, other] = [new LimitHits(), new LimitHits()];
  hits.ipv4('answers', 0xc0000201, 2);
  other.ipv4('answers', 0xc0000201, 3);
  other.network('answers', 0x20010db8, 2, 4);
  other.others('answers', 5);
  hits.add(other.take('answers'));
  expect(hits.take('answers')).toEqual({
    limit: 'answers',
    times: 14,
    subjects: [
      { kind: 'ipv4', words: [0xc0000201, 0], times: 5 },
      { kind: '/64', words: [0x20010db8, 2], times: 4 },
    ],
  });
});
