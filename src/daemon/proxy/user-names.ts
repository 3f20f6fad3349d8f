import { once } from 'node:events';
import { connect } from 'node:net';
import { TcpListener, closeConnection } from '../../io/stream-socket.ts';

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

/** Whether the kernel names the user of a connection over TCP (inet_diag), shown with one of this process. */
export async function kernelNamesUsers(): Promise<boolean> {
  const listener = new TcpListener(LOOPBACK, 0);
  const socket = connect({ port: listener.port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    for (;;) {
      const peer = listener.accept();
      if (typeof peer === 'string') return false;
      closeConnection(peer.fd);
      if (peer.uid === process.geteuid?.()) return true;
    }
  } catch {
    return false;
  } finally {
    socket.destroy();
    listener.close();
  }
}
