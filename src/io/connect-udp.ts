import type { Socket } from 'node:dgram';

/** Connects a UDP socket, or says that the system refuses: there is no way to that network, for example. Node's types leave out that error. */
export function connectUdp(
  socket: Socket,
  port: number,
  host: string,
  then: (isConnected: boolean) => void,
): void {
  const done = (error?: Error | null): void => then(error === undefined || error === null);
  socket.connect(port, host, done as () => void);
}
