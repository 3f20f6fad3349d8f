import { expect, test } from 'vitest';
import { takePassedDescriptors } from './passed-descriptors.ts';

const own = String(process.pid);

test('gives each descriptor its name, once', () => {
  const env = { LISTEN_PID: own, LISTEN_FDS: '0', LISTEN_FDNAMES: '' };
  expect(takePassedDescriptors(env)).toEqual([]);
  expect(env).toEqual({});
});

test.each([
  ['for another process', { LISTEN_PID: '1', LISTEN_FDS: '2' }],
  ['without a process', { LISTEN_FDS: '2' }],
  ['of a number that is none', { LISTEN_PID: own, LISTEN_FDS: 'two' }],
  ['of a broken number', { LISTEN_PID: own, LISTEN_FDS: '1.5' }],
  ['of far too many', { LISTEN_PID: own, LISTEN_FDS: '1000000' }],
])('takes none %s', (_, env) => {
  expect(takePassedDescriptors(env)).toEqual([]);
});

test('a descriptor without a name has an empty one', () => {
  // The numbers need not be open: a number without a descriptor fits nothing later.
  const env = { LISTEN_PID: own, LISTEN_FDS: '2', LISTEN_FDNAMES: 'udp' };
  expect(takePassedDescriptors(env)).toEqual([
    { name: 'udp', fd: 3 },
    { name: '', fd: 4 },
  ]);
});
