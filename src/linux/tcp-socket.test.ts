import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { closeConnection } from './stream-socket.ts';
import { TcpListener } from './tcp-socket.ts';
import type { TcpPeer } from './tcp-socket.ts';

const LOOPBACK_6 = Uint8Array.from([...Array.from({ length: 15 }, () => 0), 1]);

async function accepted(listener: TcpListener): Promise<TcpPeer> {
  await new Promise<void>((resolve) => listener.wait(resolve));
  const peer = listener.accept();
  if (typeof peer === 'string') throw new Error(peer);
  onTestFinished(() => closeConnection(peer.fd));
  return peer;
}

test.each([
  ['127.0.0.1', Uint8Array.of(127, 0, 0, 1)],
  ['::1', LOOPBACK_6],
])('a connection on this host has the user of its process, over %s', async (host, address) => {
  const listener = new TcpListener(address, 0);
  onTestFinished(() => listener.close());
  const socket = connect(listener.port, host);
  onTestFinished(() => void socket.destroy());
  const peer = await accepted(listener);
  expect(peer.uid).toBe(process.getuid!());
});

test('a connection that its process has closed has no user: the kernel would say root', async () => {
  const listener = new TcpListener(Uint8Array.of(127, 0, 0, 1), 0);
  onTestFinished(() => listener.close());
  const socket = connect(listener.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
  await once(socket, 'close');
  expect((await accepted(listener)).uid).toBe(undefined);
});
