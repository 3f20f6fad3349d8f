import { Memory, sys } from './libc.ts';

/** struct pollfd. */
const POLLFD = { fd: 0, events: 4, revents: 6, SIZE: 8 } as const;
const POLLOUT = 4;

/** Whether a write to the descriptor would not wait. For a pipe: a write of at most PIPE_BUF (4,096) octets. */
export function isWritable(fd: number): boolean {
  const memory = new Memory(POLLFD.SIZE);
  memory.view.setInt32(POLLFD.fd, fd, true);
  memory.view.setInt16(POLLFD.events, POLLOUT, true);
  return sys.poll(memory.address, 1, 0) === 1;
}
