import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { ServiceAddresses } from './service-addresses.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('peers that come while a name is looked up wait for the same look-up; the answer is kept for 5 s', async () => {
  const answers: ((address: string) => void)[] = [];
  const addresses = new ServiceAddresses(
    'a.example',
    () => new Promise((resolve) => answers.push((address) => resolve([{ address, family: 4 }]))),
  );
  const all = [addresses.get(), addresses.get()];
  vi.advanceTimersByTime(60_000);
  all.push(addresses.get());
  expect(answers).toHaveLength(1);
  answers[0]!('127.0.0.1');
  for (const one of all) expect(await one).toEqual([{ address: '127.0.0.1', family: 4 }]);
  await eventually(() => {
    vi.advanceTimersByTime(5_000);
    void addresses.get();
    expect(answers).toHaveLength(2);
  });
});

test('a failure is the answer for all that wait', async () => {
  const addresses = new ServiceAddresses('a.example', () => Promise.reject(new Error('no such name')));
  const results: unknown[] = [];
  for (let i = 0; i < 2; i++) addresses.lookup('a.example', {}, (error) => results.push(error?.message));
  await eventually(() => expect(results).toEqual(['no such name', 'no such name']));
});
