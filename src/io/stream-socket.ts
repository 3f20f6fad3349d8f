export {
  abortConnection,
  closeConnection,
  limitSendBuffer,
  receiveFrom,
  sendTo,
} from '../linux/stream-socket.ts';
export { TcpListener } from '../linux/tcp-socket.ts';
export type { TcpPeer } from '../linux/tcp-socket.ts';
