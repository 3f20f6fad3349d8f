import { EventEmitter } from 'node:events';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { notifySystemd } from '../io/systemd.ts';
import type { Relay, RelayEvents } from '../runtime/relay.ts';
import { Drain } from './drain.ts';
import { say } from './log.ts';

vi.mock('../io/systemd.ts', () => ({ notifySystemd: vi.fn<typeof notifySystemd>() }));
vi.mock('./log.ts', () => ({ say: vi.fn<typeof say>() }));

beforeEach(() => {
  vi.mocked(say).mockClear();
  vi.mocked(notifySystemd).mockClear();
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
});

const said = (): string[] => vi.mocked(say).mock.calls.map(([event]) => event);

/** The drain of a relay that ends 5 s after its withdrawal. */
function drainOf(withdraw: (relay: EventEmitter<RelayEvents>) => Promise<boolean>): Drain {
  const relay = new EventEmitter<RelayEvents>();
  const withWithdraw = Object.assign(relay, { withdraw: () => withdraw(relay) });
  return new Drain(withWithdraw as unknown as Relay, 5, { end: () => {}, changed: () => {} });
}

test('a withdrawal is said once it is done', async () => {
  const drain = drainOf(async (relay) => relay.emit('withdrawn'));
  expect([await drain.withdraw(), said()]).toEqual([true, ['draining']]);
});

test('a withdrawal that fails is a warning', async () => {
  const drain = drainOf(() => Promise.resolve(false));
  expect([await drain.withdraw(), said()]).toEqual([false, ['warning']]);
});

test('a relay ends although its withdrawal does not', async () => {
  let isOver = false;
  const over = drainOf(() => new Promise(() => {})).beforeEnd();
  void over.then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(7_900);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect([isOver, said()]).toEqual([true, ['warning']]);
});

test('the service manager is asked to wait for the end of the drain', async () => {
  const over = drainOf(() => Promise.resolve(true)).beforeEnd();
  const [[state]] = vi.mocked(notifySystemd).mock.calls as [[string]];
  const [, microseconds] = /^EXTEND_TIMEOUT_USEC=(\d+)$/.exec(state)!;
  const begun = Date.now();
  await vi.runAllTimersAsync();
  await over;
  expect(Number(microseconds)).toBeGreaterThan(1_000 * (Date.now() - begun + 5_000));
});
