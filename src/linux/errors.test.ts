import { expect, test } from 'vitest';
import { SystemCallError, errorName } from './errors.ts';
import { E } from './libc.ts';
import { isShortage } from './system-failures.ts';

test('each error number that this program knows has the right name', () => {
  expect(Object.fromEntries(Object.values(E).map((number) => [errorName(number), number]))).toEqual({ ...E });
});

test.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN'] as const)(
  '%s is temporary, and the operation is tried again',
  (name) => {
    const numbers = { EMFILE: 24, ENFILE: 23, ENOBUFS: 105, ENOMEM: 12, EAGAIN: 11 };
    expect(isShortage(new SystemCallError('read', numbers[name]))).toBe(true);
  },
);
