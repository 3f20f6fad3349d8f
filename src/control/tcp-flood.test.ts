import { expect, onTestFinished, test, vi } from 'vitest';
import { TcpFlood } from './tcp-flood.ts';

/** A flood, the calls that it causes, and the lines that it says. */
function watch(failure?: string): { flood: TcpFlood; calls: string[]; said: string[] } {
  vi.useFakeTimers();
  const [calls, said]: [string[], string[]] = [[], []];
  const dropping = {
    begin: () => {
      calls.push('begin');
      return failure;
    },
    end: () => void calls.push('end'),
  };
  const flood = new TcpFlood(dropping, (line) => said.push(line));
  onTestFinished(() => {
    flood.close();
    vi.useRealTimers();
  });
  return { flood, calls, said };
}

const refuse = (flood: TcpFlood, times: number, now: number): void => {
  for (let i = 0; i < times; i++) flood.note(now);
};

test('connections are dropped after 51 refusals within a second, until none is refused for 5 s', () => {
  const { flood, calls, said } = watch();
  for (let second = 0; second < 10; second++) refuse(flood, 50, second * 1_001);
  expect(calls).toEqual([]);
  refuse(flood, 51, 20_000);
  expect(calls).toEqual(['begin']);
  vi.advanceTimersByTime(4_999);
  refuse(flood, 1, 24_999);
  vi.advanceTimersByTime(4_999);
  expect(calls).toEqual(['begin']);
  vi.advanceTimersByTime(1);
  expect(calls).toEqual(['begin', 'end']);
  refuse(flood, 50, 30_000);
  expect(calls).toEqual(['begin', 'end']);
  refuse(flood, 1, 30_000);
  expect(calls).toEqual(['begin', 'end', 'begin']);
  expect(said).toEqual([expect.stringMatching(/the kernel drops those of users and addresses/)]);
});

test('a kernel that does not do it is asked again after a minute, and a line says why', () => {
  const { flood, calls, said } = watch('EPERM');
  for (let ms = 0; ms <= 60_000; ms += 1_000) refuse(flood, 100, ms);
  expect([calls, said]).toEqual([['begin'], [expect.stringMatching(/nftables .* \(EPERM\)/)]]);
  refuse(flood, 100, 61_000);
  expect([calls.length, said.length]).toEqual([2, 2]);
});

test('the end of the daemon ends it', () => {
  const { flood, calls } = watch();
  refuse(flood, 51, 0);
  flood.close();
  expect(calls).toEqual(['begin', 'end']);
  vi.advanceTimersByTime(60_000);
  expect(calls).toEqual(['begin', 'end']);
});
