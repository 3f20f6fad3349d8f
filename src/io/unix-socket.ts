export {
  MOST_KEPT_OUT,
  UnixListener,
  closeConnection,
  keepOut,
  receiveFrom,
  sendTo,
} from '../linux/unix-socket.ts';
export type { UnixPeer } from '../linux/unix-socket.ts';
