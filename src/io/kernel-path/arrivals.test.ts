import { beforeEach, expect, test, vi } from 'vitest';
import { SystemCallError } from '../../linux/errors.ts';
import { E } from '../../linux/libc.ts';
import { Arrivals } from './arrivals.ts';

const attached = new Set<number>();
let refusal: Error | undefined;
vi.mock('../../linux/bpf/attachment.ts', () => ({
  attach: (_program: number, ifindex: number) => {
    if (refusal !== undefined) throw refusal;
    attached.add(ifindex);
    return { isAttached: () => true, close: () => attached.delete(ifindex) };
  },
}));

const MOST = 16;
const indexes = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

let arrivals: Arrivals;
beforeEach(() => {
  attached.clear();
  refusal = undefined;
  arrivals = new Arrivals(0, 0);
});

test('an interface that an uplink needs takes the place of one that no uplink needs', () => {
  expect(arrivals.need(1)).toBe(true);
  arrivals.follow(indexes(2, 30));
  expect(attached.size).toBe(MOST);
  expect(arrivals.need(100)).toBe(true);
  expect(attached.size).toBe(MOST);
  expect([1, 100].map((ifindex) => attached.has(ifindex))).toEqual([true, true]);
  arrivals.follow(indexes(2, 30));
  expect([attached.size, attached.has(100)]).toEqual([MOST, true]);
});

test('an interface that uplinks need is never removed for another', () => {
  for (const ifindex of indexes(1, MOST)) expect(arrivals.need(ifindex)).toBe(true);
  expect(arrivals.need(100)).toBe(false);
  expect([...attached]).toEqual(indexes(1, MOST));
});

test('a missing interface gives false; a shortage is thrown, so that it is tried again', () => {
  refusal = new SystemCallError('bpf_link_create', E.ENODEV);
  expect(arrivals.need(1)).toBe(false);
  refusal = new SystemCallError('bpf_link_create', E.EMFILE);
  expect(() => arrivals.need(1)).toThrow(refusal);
  refusal = undefined;
  expect(arrivals.need(1)).toBe(true);
});
