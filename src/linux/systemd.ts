import { Memory, sys } from './libc.ts';
import { SOCK_CLOEXEC, SOCK_DGRAM } from './socket.ts';

const AF_UNIX = 1;
/** struct sockaddr_un, struct mmsghdr and struct iovec. */
const [NAME, HEADER, IOVEC] = [110, 64, 16];
const [SOL_SOCKET, SO_SNDTIMEO, SCM_RIGHTS] = [1, 21, 1];
const O_CLOEXEC = 0o2000000;
/** The most that the service manager may take to accept a message, or to work through those before a barrier. */
const PATIENCE_MS = 500;

/** Static, because the kernel reads it through its address. */
const name = new Memory(NAME);
const message = new Memory(1_024);
const header = new Memory(HEADER + IOVEC);
/** A struct cmsghdr with one descriptor, and the padding behind it. */
const rights = new Memory(24);
/** A struct timeval. */
const patience = new Memory(16);
patience.view.setBigInt64(8, BigInt(PATIENCE_MS * 1_000), true);
const pipe = new Memory(8);
/** A struct pollfd. */
const waited = new Memory(8);
/** The socket of all messages: at a later one the system may have no free descriptor. */
let kept = -1;

/**
 * Sends a state such as `READY=1` to the service manager that started this process, if one did (sd_notify(3)), with a copy of the descriptor
 * `fd` if there is one. A message that it does not accept within 0.5 s, or that the system refuses, is dropped: a daemon does not wait for
 * its manager.
 */
export function notifySystemd(state: string, fd?: number): void {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return;
  const bytes = new TextEncoder().encode(path);
  if (bytes.length > 107) return; // no valid address is longer
  name.view.setUint16(0, AF_UNIX, true);
  name.bytes.set(bytes, 2);
  if (path.startsWith('@')) name.bytes[2] = 0; // abstract
  const { written } = new TextEncoder().encodeInto(state, message.bytes);
  writeHeader(2 + bytes.length, written, fd);
  const socket = ownSocket();
  if (socket >= 0) sys.sendmmsg(socket, header.address, 1, 0);
}

/** -1: the system has no descriptor for it now. */
function ownSocket(): number {
  if (kept >= 0) return kept;
  kept = sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (kept >= 0) sys.setsockopt(kept, SOL_SOCKET, SO_SNDTIMEO, patience.address, 16);
  return kept;
}

/** Waits until the service manager has worked through all messages so far, for at most 0.5 s. sd_notify_barrier(3) */
export function awaitSystemd(): void {
  if (!process.env['NOTIFY_SOCKET'] || sys.pipe2(pipe.address, O_CLOEXEC) < 0) return;
  const [reader, writer] = [pipe.view.getInt32(0, true), pipe.view.getInt32(4, true)];
  notifySystemd('BARRIER=1', writer);
  sys.close(writer);
  waited.view.setInt32(0, reader, true);
  waited.view.setUint32(4, 0, true); // the end of the pipe is always reported
  sys.poll(waited.address, 1, PATIENCE_MS);
  sys.close(reader);
}

function writeHeader(nameLength: number, length: number, fd: number | undefined): void {
  header.bytes.fill(0);
  header.setPointer(0, name.address);
  header.view.setUint32(8, nameLength, true);
  header.setPointer(16, header.address + HEADER);
  header.setPointer(24, 1);
  header.setPointer(HEADER, message.address);
  header.setPointer(HEADER + 8, length);
  if (fd === undefined) return;
  rights.setPointer(0, 20);
  rights.view.setInt32(8, SOL_SOCKET, true);
  rights.view.setInt32(12, SCM_RIGHTS, true);
  rights.view.setInt32(16, fd, true);
  header.setPointer(32, rights.address);
  header.setPointer(40, 24);
}

/**
 * Sends the service manager the signs of life that WatchdogSec= asks for (sd_watchdog_enabled(3)), so that it restarts a service whose
 * event loop hangs. A lack of descriptors does not keep them back. Returns a function that stops it. Does nothing without a watchdog.
 */
export function feedWatchdog(): () => void {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = process.env;
  const interval = Number(microseconds) / 1_000;
  if (!(interval > 0) || (pid !== undefined && Number(pid) !== process.pid)) return () => {};
  ownSocket();
  // At half the interval, as the manual page recommends.
  const timer = setInterval(() => notifySystemd('WATCHDOG=1'), interval / 2);
  timer.unref();
  return () => clearInterval(timer);
}
