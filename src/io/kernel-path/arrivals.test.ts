import { beforeEach, expect, test, vi } from 'vitest';
import { SystemCallError } from '../../linux/errors.ts';
import { E } from '../../linux/libc.ts';
import { Arrivals } from './arrivals.ts';

const attached = new Map<number, number>();
let refusal: Error | undefined;
vi.mock('../../linux/bpf/attachment.ts', () => ({
  attach: (program: number, ifindex: number) => {
    if (refusal !== undefined) throw refusal;
    attached.set(ifindex, program);
    return { isAttached: () => true, close: () => attached.delete(ifindex) };
  },
}));

const MOST = 16;
const indexes = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

const PROGRAMS = { ethernet: 7, bare: 8 };
const at = (ifindex: number, isBare = false) => ({ ifindex, isBare });

let arrivals: Arrivals;
beforeEach(() => {
  attached.clear();
  refusal = undefined;
  arrivals = new Arrivals(PROGRAMS, 0);
});

test('an interface that an uplink needs takes the place of one that no uplink needs', () => {
  expect(arrivals.need(at(1))).toBe(true);
  arrivals.follow(indexes(2, 30).map((index) => at(index)));
  expect(attached.size).toBe(MOST);
  expect(arrivals.need(at(100))).toBe(true);
  expect(attached.size).toBe(MOST);
  expect([1, 100].map((ifindex) => attached.has(ifindex))).toEqual([true, true]);
  arrivals.follow(indexes(2, 30).map((index) => at(index)));
  expect([attached.size, attached.has(100)]).toEqual([MOST, true]);
});

test('an interface that uplinks need is never removed for another', () => {
  for (const ifindex of indexes(1, MOST)) expect(arrivals.need(at(ifindex))).toBe(true);
  expect(arrivals.need(at(100))).toBe(false);
  expect([...attached.keys()]).toEqual(indexes(1, MOST));
});

test('a missing interface gives false; a shortage is thrown, so that it is tried again', () => {
  refusal = new SystemCallError('bpf_link_create', E.ENODEV);
  expect(arrivals.need(at(1))).toBe(false);
  refusal = new SystemCallError('bpf_link_create', E.EMFILE);
  expect(() => arrivals.need(at(1))).toThrow(refusal);
  refusal = undefined;
  expect(arrivals.need(at(1))).toBe(true);
});

test('an interface without an Ethernet header gets the program for that', () => {
  arrivals.need(at(1, true));
  arrivals.need(at(2));
  arrivals.follow([at(3, true), at(4)]);
  expect([...attached]).toEqual([
    [1, PROGRAMS.bare],
    [2, PROGRAMS.ethernet],
    [3, PROGRAMS.bare],
    [4, PROGRAMS.ethernet],
  ]);
});
