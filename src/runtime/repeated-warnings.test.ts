import { expect, test } from 'vitest';
import { MemoryClock } from '../io/memory-clock.ts';
import { RepeatedWarnings } from './repeated-warnings.ts';

function rig() {
  const clock = new MemoryClock();
  const said: string[] = [];
  const warnings = new RepeatedWarnings(clock, (message) => said.push(message));
  return { clock, said, warnings };
}

test('a single warning is given at once', () => {
  const { clock, said, warnings } = rig();
  warnings.warn('bind: EADDRINUSE');
  expect(said).toEqual(['bind: EADDRINUSE']);
  clock.advance(3_600_000);
  expect(said).toHaveLength(1);
});

test('a repeated warning is given once a minute, with its number', () => {
  const { clock, said, warnings } = rig();
  for (let i = 0; i < 256; i++) warnings.warn('bind: EADDRINUSE');
  expect(said).toEqual(['bind: EADDRINUSE']);
  clock.advance(59_999);
  expect(said).toHaveLength(1);
  clock.advance(1);
  warnings.warn('bind: EADDRINUSE');
  warnings.warn('bind: EADDRINUSE');
  clock.advance(60_000);
  clock.advance(3_600_000);
  expect(said.slice(1)).toEqual([
    'bind: EADDRINUSE (255 more times within a minute)',
    'bind: EADDRINUSE (2 more times within a minute)',
  ]);
});

test('another one is said for itself, and after a minute of peace each is said at once again', () => {
  const { clock, said, warnings } = rig();
  warnings.warn('bind: EADDRINUSE');
  warnings.warn('socket: EMFILE');
  clock.advance(60_000);
  warnings.warn('bind: EADDRINUSE');
  expect(said).toEqual(['bind: EADDRINUSE', 'socket: EMFILE', 'bind: EADDRINUSE']);
});

test('words that differ each time are no flood either', () => {
  const { clock, said, warnings } = rig();
  for (let port = 0; port < 1_000; port++) warnings.warn(`port ${port} is taken`);
  expect(said).toHaveLength(16);
  clock.advance(60_000);
  warnings.warn('port 1000 is taken');
  expect(said).toHaveLength(17);
});

test('the end is the end', () => {
  const { clock, said, warnings } = rig();
  warnings.warn('bind: EADDRINUSE');
  warnings.warn('bind: EADDRINUSE');
  warnings.close();
  clock.advance(60_000);
  expect(said).toHaveLength(1);
});
