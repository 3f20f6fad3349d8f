import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { notifySystemd } from '../io/systemd.ts';
import type { Readiness } from './readiness.ts';
import { ServiceNotices } from './service-notices.ts';

vi.mock('../io/systemd.ts', () => ({ notifySystemd: vi.fn<typeof notifySystemd>() }));

beforeEach(() => {
  vi.mocked(notifySystemd).mockClear();
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
});

const said = (): string[] => vi.mocked(notifySystemd).mock.calls.map(([state]) => state);

/** Notices of a role whose state a test changes. */
function notices(): { state: Readiness; of: ServiceNotices } {
  const look = (): Readiness => role.state;
  const role = { state: { isReady: false, words: 'looking' }, of: new ServiceNotices(look) };
  return role;
}

test('a role is ready once it can serve, and says so once', () => {
  const role = notices();
  role.of.begin();
  expect(said()).toEqual(['STATUS=looking']);
  role.state = { isReady: true, words: 'qualified' };
  role.of.changed();
  vi.advanceTimersByTime(60_000);
  expect(said()).toEqual(['STATUS=looking', 'STATUS=qualified', 'READY=1']);
});

test('a role that cannot serve counts as started after 10 s, with its reason', () => {
  const role = notices();
  role.of.begin();
  vi.advanceTimersByTime(9_999);
  expect(said()).toEqual(['STATUS=looking']);
  vi.advanceTimersByTime(1);
  expect(said()).toEqual(['STATUS=looking', 'READY=1']);
});

test('changes are said at most once a second, and the last one always', () => {
  const role = notices();
  role.of.begin();
  for (let i = 1; i <= 25; i++) {
    role.state = { isReady: true, words: `state ${i}` };
    role.of.changed();
    vi.advanceTimersByTime(100);
  }
  vi.advanceTimersByTime(1_000);
  expect(said().filter((text) => text !== 'READY=1')).toEqual([
    'STATUS=looking',
    'STATUS=state 1',
    'STATUS=state 10',
    'STATUS=state 20',
    'STATUS=state 25',
  ]);
});

test.each([true, false])(
  'a change that the host does not announce is said, too; ready before: %s',
  (isReady) => {
    const role = notices();
    role.state = { isReady, words: 'before' };
    role.of.begin();
    vi.advanceTimersByTime(60_000);
    role.state = { isReady: !isReady, words: 'after' };
    vi.advanceTimersByTime(10_000);
    expect(said().toSorted(byText)).toEqual(['READY=1', 'STATUS=after', 'STATUS=before']);
    vi.advanceTimersByTime(60_000);
    expect(said()).toHaveLength(3);
  },
);

const byText = (a: string, b: string): number => a.localeCompare(b);

test('nothing is said before the role runs, nor after its end', () => {
  const role = notices();
  role.of.changed();
  expect(said()).toEqual([]);
  role.of.begin();
  role.of.close();
  role.state = { isReady: true, words: 'qualified' };
  role.of.changed();
  vi.advanceTimersByTime(60_000);
  expect(said()).toEqual(['STATUS=looking', 'STOPPING=1']);
});
