import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { stopwatch } from '../../test/support/stopwatch.ts';
import { Memory, sys } from './libc.ts';
import { SOCK_DGRAM, SOCK_NONBLOCK, openSocket } from './socket.ts';
import { feedWatchdog, notifySystemd } from './systemd.ts';

const AF_UNIX = 1;

test('sends to the service manager at a path', () => {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-notify-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'socket');
  const received = manager(path, path);
  notifySystemd('READY=1');
  notifySystemd('STATUS=qualified');
  expect(received()).toEqual(['READY=1', 'STATUS=qualified']);
});

test('sends to the service manager at an abstract name', () => {
  const name = `teredo-test-${process.pid}`;
  const received = manager(`@${name}`, `\0${name}`);
  notifySystemd('STOPPING=1');
  expect(received()).toEqual(['STOPPING=1']);
});

test('sends nothing without a service manager', () => {
  for (const path of ['', '/nonexistent/socket', `/${'x'.repeat(200)}`]) {
    vi.stubEnv('NOTIFY_SOCKET', path);
    expect(() => notifySystemd('READY=1')).not.toThrow();
  }
  vi.unstubAllEnvs();
});

test('does not wait for a manager that does not read', () => {
  const name = `teredo-mute-${process.pid}`;
  const received = manager(`@${name}`, `\0${name}`);
  const [watch, begun] = [stopwatch(), performance.now()];
  let sent = 0;
  // More than the kernel queues (net.unix.max_dgram_qlen), whatever the value here.
  while (performance.now() - begun < 400 && sent++ < 10_000) notifySystemd('WATCHDOG=1');
  expect(watch()).toBeLessThan(5_000);
  expect(received().length).toBeGreaterThan(0);
});

test('feeds the watchdog if it is for this process, until stopped', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const name = `teredo-watchdog-${process.pid}`;
  const received = manager(`@${name}`, `\0${name}`);
  feedWatchdog(); // no watchdog
  vi.stubEnv('WATCHDOG_USEC', '30000000');
  vi.stubEnv('WATCHDOG_PID', '1');
  feedWatchdog(); // meant for another process
  vi.stubEnv('WATCHDOG_PID', String(process.pid));
  const stop = feedWatchdog();
  vi.advanceTimersByTime(60_000);
  expect(received()).toEqual(Array.from({ length: 4 }, () => 'WATCHDOG=1'));
  stop();
  vi.advanceTimersByTime(60_000);
  expect(received()).toEqual([]);
});

test('feeds the watchdog while the system has no descriptor left', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const name = `teredo-shortage-${process.pid}`;
  const received = manager(`@${name}`, `\0${name}`);
  vi.stubEnv('WATCHDOG_USEC', '30000000');
  const stop = feedWatchdog();
  const shortage = vi.spyOn(sys, 'socket').mockReturnValue(-1);
  onTestFinished(() => shortage.mockRestore());
  vi.advanceTimersByTime(30_000);
  stop();
  expect(received()).toEqual(['WATCHDOG=1', 'WATCHDOG=1']);
});

/** Listens like systemd, at the address in the environment variable `variable`; returns the messages received. */
function manager(variable: string, address: string): () => string[] {
  vi.stubEnv('NOTIFY_SOCKET', variable);
  const fd = openSocket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK);
  onTestFinished(() => {
    sys.close(fd);
    vi.unstubAllEnvs();
  });
  const bytes = new TextEncoder().encode(address);
  const name = new Memory(110);
  name.view.setUint16(0, AF_UNIX, true);
  name.bytes.set(bytes, 2);
  expect(sys.bind(fd, name.address, 2 + bytes.length)).toBe(0);
  const buffer = new Memory(256);
  return () => {
    const heard: string[] = [];
    for (;;) {
      const length = sys.read(fd, buffer.address, 256);
      if (length <= 0) return heard;
      heard.push(new TextDecoder().decode(buffer.bytes.subarray(0, length)));
    }
  };
}
