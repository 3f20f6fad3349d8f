import { expect, test } from 'vitest';
import { SystemCallError, errorName } from './errors.ts';
import { E } from './libc.ts';
import { isShortage } from './system-failures.ts';

test('the name of each error number that this program knows is the one that it compares with', () => {
  expect(Object.fromEntries(Object.values(E).map((number) => [errorName(number), number]))).toEqual({ ...E });
});

test.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN'] as const)(
  '%s passes, and is tried again',
  (name) => {
    const numbers = { EMFILE: 24, ENFILE: 23, ENOBUFS: 105, ENOMEM: 12, EAGAIN: 11 };
    expect(isShortage(new SystemCallError('read', numbers[name]))).toBe(true);
  },
);
