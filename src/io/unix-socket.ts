export { MOST_KEPT_OUT, UnixListener, keepOut } from '../linux/unix-socket.ts';
export type { UnixPeer } from '../linux/unix-socket.ts';
