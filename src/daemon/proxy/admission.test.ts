import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Admission } from './admission.ts';
import type { Place } from './admission.ts';
import type { SourcePath } from './source-path.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

const [A, B, C]: readonly SourcePath[] = [
  [1, 1, 1],
  [2, 2, 2],
  [3, 3, 3],
];

/** Takes places by name; `ended`: the names of those that others have got. */
class Rig {
  readonly ended: string[] = [];
  private readonly places: Admission;

  constructor(...limits: ConstructorParameters<typeof Admission>) {
    this.places = new Admission(...limits);
  }

  admit(path: SourcePath, name = ''): Place | undefined {
    return this.places.admit(path, () => this.ended.push(name));
  }

  /** With a sign of its source. */
  confirmed(path: SourcePath, name = ''): Place | undefined {
    const place = this.admit(path, name);
    place?.confirm();
    return place;
  }
}

test('a newcomer gets a place of the source with most', () => {
  const rig = new Rig({ most: 4 });
  for (const name of ['a1', 'a2', 'a3', 'a4']) expect(rig.confirmed(A, name)).toBeDefined();
  expect(rig.confirmed(A)).toBeUndefined();
  expect(rig.confirmed(B)).toBeDefined();
  expect(rig.confirmed(B)).toBeDefined();
  expect(rig.ended).toEqual(['a4', 'a3']);
  expect(rig.confirmed(B)).toBeUndefined();
  expect(rig.confirmed(A)).toBeUndefined();
});

test('the sources of a whole share what it has: a /48 with 100 sources holds no more than another /48 of the same /32, or than another /32', () => {
  const rig = new Rig({ most: 100 });
  for (let i = 0; i < 100; i++) expect(rig.confirmed([1, 1, i], 'a')).toBeDefined();
  for (let i = 0; i < 25; i++) expect(rig.confirmed([1, 2, 7], 'n')).toBeDefined();
  for (let i = 0; i < 50; i++) expect(rig.confirmed(B, 'b')).toBeDefined();
  expect(rig.ended.filter((name) => name === 'a')).toHaveLength(75);
  expect(rig.confirmed([1, 1, 1_000])).toBeUndefined();
  expect(rig.confirmed(B)).toBeUndefined();
});

test('places that are not confirmed are replaced first, and the oldest of them first', () => {
  const rig = new Rig({ most: 3 });
  rig.confirmed(A, 'a1');
  rig.admit(A, 'a2');
  rig.admit(B, 'b1');
  for (let i = 0; i < 5; i++) expect(rig.admit([9, i, i], `${i}`)).toBeDefined();
  expect(rig.ended).toEqual(['a2', 'b1', '0', '1', '2']);
});

test('a source with many places does not get the one of a source with few, confirmed or not', () => {
  const rig = new Rig({ most: 4, silentMs: 1 });
  for (let i = 0; i < 3; i++) rig.confirmed(A);
  const other = rig.admit(B, 'b')!;
  expect(rig.admit(A)).toBeUndefined();
  other.confirm();
  vi.advanceTimersByTime(1);
  for (let i = 0; i < 3; i++) rig.admit(A);
  expect(rig.ended).not.toContain('b');
});

test('when all are confirmed, the place that is silent for the longest time is replaced, if it is silent for long', () => {
  const rig = new Rig({ most: 2, silentMs: 1_000 });
  const first = rig.confirmed(A, 'a')!;
  rig.confirmed(B, 'b');
  vi.advanceTimersByTime(999);
  first.confirm();
  expect(rig.admit(C)).toBeUndefined();
  vi.advanceTimersByTime(1);
  expect(rig.admit(C)).toBeDefined();
  expect(rig.ended).toEqual(['b']);
});

test('a part of the places is for newcomers: a further one is not confirmed', () => {
  const rig = new Rig({ most: 4, mostConfirmed: 2 });
  rig.confirmed(A, 'a');
  rig.confirmed(B, 'b');
  for (let i = 10; i < 15; i++) expect(rig.confirmed([i, i, i], `${i}`)).toBeDefined();
  expect(rig.ended).toEqual(['10', '11', '12']);
});

test('a place that was left is free, once', () => {
  const rig = new Rig({ most: 1 });
  const first = rig.confirmed(A)!;
  first.leave();
  first.leave();
  first.confirm();
  expect(rig.confirmed(B)).toBeDefined();
  expect(rig.confirmed(C)).toBeUndefined();
});
