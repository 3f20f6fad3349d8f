import { expect, test } from 'vitest';
import type { UsersStatus } from '../control/status.ts';
import { notesOf } from './user-notes.ts';

const status = {
  exact: false,
  peers: [],
  prefixes: [],
  missedPeerBytes: 0,
  missedPrefixBytes: 0,
} as unknown as UsersStatus;

test('the note says how exact the numbers of users are', () => {
  expect(notesOf({ ...status, exact: true })).toBe('Exact counts');
  const prefixes = [{ errorBytes: 2_000 }] as unknown as UsersStatus['prefixes'];
  expect(notesOf({ ...status, prefixes, missedPeerBytes: 5_000 })).toBe(
    'Estimates: wrong by at most 2.0 kB; users with less than 5.0 kB may be missing',
  );
  expect(notesOf(status)).toBe('');
});
