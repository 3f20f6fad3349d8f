import { Memory, sys } from './libc.ts';
import { SOCK_CLOEXEC, SOCK_DGRAM } from './socket.ts';

const AF_UNIX = 1;
/** Static, because the kernel reads it through its address. A struct sockaddr_un, and the message. */
const name = new Memory(110);
const message = new Memory(1_024);
/** A struct timeval: the most that a manager may take to accept a message. */
const patience = new Memory(16);
patience.view.setBigInt64(8, 500_000n, true);
const [SOL_SOCKET, SO_SNDTIMEO] = [1, 21];

/**
 * Sends a state such as `READY=1` to the service manager that started this process, if one did (sd_notify(3)). A message that it does not
 * accept within 0.5 s, or that the system refuses, is dropped: a daemon does not wait for its manager.
 */
export function notifySystemd(state: string): void {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return;
  const bytes = new TextEncoder().encode(path);
  if (bytes.length > 107) return; // no valid address is longer
  name.view.setUint16(0, AF_UNIX, true);
  name.bytes.set(bytes, 2);
  if (path.startsWith('@')) name.bytes[2] = 0; // abstract
  const text = new TextEncoder().encode(state);
  message.bytes.set(text);
  const fd = sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  sys.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, patience.address, 16);
  sys.sendto(fd, message.address, text.length, 0, name.address, 2 + bytes.length);
  sys.close(fd);
}

/**
 * Sends the service manager the signs of life that WatchdogSec= asks for (sd_watchdog_enabled(3)), so that it restarts a service whose
 * event loop hangs. Returns a function that stops it. Does nothing without a watchdog.
 */
export function feedWatchdog(): () => void {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = process.env;
  const interval = Number(microseconds) / 1_000;
  if (!(interval > 0) || (pid !== undefined && Number(pid) !== process.pid)) return () => {};
  // At half the interval, as the manual page recommends.
  const timer = setInterval(() => notifySystemd('WATCHDOG=1'), interval / 2);
  timer.unref();
  return () => clearInterval(timer);
}
