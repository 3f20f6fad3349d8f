import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { anywhere } from '../../../test/support/destinations.ts';
import { hostOf } from '../../wire/proxy-target.ts';
import type { Dialed } from './attempts.ts';
import { Dialer } from './dialer.ts';
import type { Address } from './resolver.ts';

const NAME = { host: { kind: 'name', name: 'a.example' }, port: 80 } as const;
const SIX = (count: number): string[] => Array.from({ length: count }, (_, i) => `2a00::${i + 1}`);
const FOUR = (count: number): string[] => Array.from({ length: count }, (_, i) => `8.8.8.${i + 1}`);

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

interface Dialing {
  /** By address, the connections that have begun, in their order. */
  readonly begun: Map<string, Socket>;
  readonly result: Promise<Dialed>;
  readonly leave: () => void;
}

/** Dials a name that has these addresses, at hosts that do not answer by themselves. */
async function dialing(addresses: readonly string[]): Promise<Dialing> {
  const begun = new Map<string, Socket>();
  const open = (address: string): Socket => {
    const socket = new Socket();
    begun.set(address, socket);
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const resolver = { addressesOf: async () => addresses.map((text) => hostOf(text) as Address) };
  const gone = new AbortController();
  const dialer = new Dialer({ connect: open }, resolver, anywhere(), open);
  const result = dialer.dial(NAME, { source: [1, 1, 1], gone: gone.signal });
  await vi.advanceTimersByTimeAsync(0);
  return { begun, result, leave: () => gone.abort() };
}

test('hosts that do not answer: three IPv6 addresses and an IPv4 address are tried, one after the other and beside each other', async () => {
  const { begun } = await dialing([...SIX(6), ...FOUR(3)]);
  expect([...begun.keys()]).toEqual(['2a00::1']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([...begun.keys()]).toEqual(['2a00::1', '8.8.8.1']);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([...begun.keys()]).toEqual(['2a00::1', '8.8.8.1', '2a00::2', '2a00::3']);
  expect([...begun.values()].some(({ destroyed }) => destroyed)).toBe(false);
});

test.for([
  [1, 5, ['2a00::1', '8.8.8.1', '8.8.8.2', '8.8.8.3']],
  [5, 0, ['2a00::1', '2a00::2', '2a00::3', '2a00::4']],
  [0, 5, ['8.8.8.1', '8.8.8.2', '8.8.8.3', '8.8.8.4']],
] as const)('%i IPv6 and %i IPv4 addresses: four are tried', async ([six, four, tried]) => {
  const { begun, result } = await dialing([...SIX(six), ...FOUR(four)]);
  await vi.advanceTimersByTimeAsync(3_000);
  expect([...begun.keys()]).toEqual(tried);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(await result).toEqual({ failure: 'timed-out' });
});

test('a refusal is followed by the next address at once; all refuse: that is the answer', async () => {
  const { begun, result } = await dialing([...SIX(1), ...FOUR(1)]);
  for (const address of ['2a00::1', '8.8.8.1']) {
    begun.get(address)!.emit('error', Object.assign(new Error(), { code: 'ECONNREFUSED' }));
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(await result).toEqual({ failure: 'refused' });
});

test('the first connection that stands is used, and the others are ended', async () => {
  const { begun, result } = await dialing([...SIX(2), ...FOUR(1)]);
  await vi.advanceTimersByTimeAsync(1_000);
  begun.get('2a00::1')!.emit('connect');
  expect(await result).toEqual({ socket: begun.get('2a00::1') });
  expect([...begun.values()].map(({ destroyed }) => destroyed)).toEqual([false, true]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(begun.size).toBe(2);
});

test('no address is allowed: nothing is tried', async () => {
  const { begun, result } = await dialing(['127.0.0.1', 'fd00::1']);
  expect([await result, begun.size]).toEqual([{ failure: 'not-allowed' }, 0]);
});

test('a client that leaves ends its attempts', async () => {
  const { begun, result, leave } = await dialing(SIX(3));
  leave();
  expect(await result).toHaveProperty('failure');
  await vi.advanceTimersByTimeAsync(10_000);
  expect([...begun.values()].map(({ destroyed }) => destroyed)).toEqual([true]);
});
