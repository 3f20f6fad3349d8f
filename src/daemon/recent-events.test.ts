import { expect, test } from 'vitest';
import { RecentEvents } from './recent-events.ts';

test('the latest events are kept: 256 of them, and not more than 128 K characters', () => {
  const events = new RecentEvents();
  for (let i = 1; i <= 1_000; i++) events.note({ event: 'notice', message: String(i), fields: {} });
  expect(events.after(0)).toHaveLength(256);
  expect(events.after(998).map(({ message }) => message)).toEqual(['999', '1000']);
  for (let i = 0; i < 1_000; i++)
    events.note({ event: 'warning', message: 'x'.repeat(5_000), fields: { data: 'y'.repeat(1_000) } });
  const kept = events.after(0);
  expect(kept.length).toBeGreaterThan(50);
  expect(JSON.stringify(kept).length).toBeLessThan(160 << 10);
  expect([events.countOf('notice'), events.countOf('warning'), events.countOf('failed')]).toEqual([
    1_000, 1_000, 0,
  ]);
});

test('one event that is too long by itself is kept alone', () => {
  const events = new RecentEvents();
  events.note({ event: 'notice', message: '', fields: { data: 'y'.repeat(1 << 20) } });
  events.note({ event: 'notice', message: 'after', fields: {} });
  expect(events.after(0).map(({ message }) => message)).toEqual(['after']);
});
