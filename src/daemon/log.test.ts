import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { LogLines } from '../io/log-lines.ts';
import { EXIT } from './exit-codes.ts';
import { sayEnd } from './guest-end.ts';
import { announce, openLog, say } from './log.ts';
import { recentEvents } from './recent-events.ts';

const written: string[] = [];
beforeEach(() => {
  written.length = 0;
  vi.spyOn(LogLines.prototype, 'write').mockImplementation((line) => void written.push(line));
  onTestFinished(() => void vi.restoreAllMocks());
});

const openAt = (logLevel: 'error' | 'warn'): Promise<void> => openLog({ logLevel, logFormat: 'journal' });

test('events that the user of a command waits for are written with the warnings, as what they are', async () => {
  await openAt('warn');
  const [before, warnings] = [recentEvents.countOf('running'), recentEvents.countOf('warning')];
  say('notice', 'of a daemon');
  announce('running', 'IPv6 address 2001::1');
  sayEnd({ message: 'stopping: SIGTERM', exitCode: EXIT.OK, signal: 'SIGTERM' });
  sayEnd({ message: 'process 1 has ended', exitCode: EXIT.OK });
  sayEnd({ message: 'the private network has ended', exitCode: EXIT.FAILED });
  expect(written).toEqual([
    '<6>IPv6 address 2001::1',
    '<7>debug: stopping: SIGTERM',
    '<6>process 1 has ended',
    '<3>error: the private network has ended',
  ]);
  expect([recentEvents.countOf('running'), recentEvents.countOf('warning')]).toEqual([before + 1, warnings]);
  expect(recentEvents.after(0).findLast(({ event }) => event === 'stopping')).toMatchObject({
    level: 'debug',
    fields: { signal: 'SIGTERM' },
  });
});

test('they are not written where only errors are', async () => {
  await openAt('error');
  announce('running', 'IPv6 address 2001::1');
  sayEnd({ message: 'stopping: SIGINT', exitCode: EXIT.INTERRUPTED, signal: 'SIGINT' });
  expect(written).toEqual([]);
});
