import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SocketUsers } from './socket-user.ts';
import type { SocketPlace } from './socket-user.ts';

async function bound(address: string): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  await once(socket.bind(0, address), 'listening');
  return socket;
}

const placeOf = (socket: Socket): SocketPlace => socket.address();

test.for(['127.0.0.1', '::1', '0.0.0.0'])('the user of a UDP socket at %s', async (address) => {
  const users = new SocketUsers();
  onTestFinished(() => users.close());
  const there = address === '0.0.0.0' ? '127.0.0.1' : address;
  const [client, here] = [await bound(address), await bound(there)];
  onTestFinished(() => void here.close());
  const place = { address: there, port: placeOf(client).port };
  expect(users.uidOfUdp(place, placeOf(here))).toBe(process.getuid!());
  client.close();
  await once(client, 'close');
  expect(users.uidOfUdp(place, placeOf(here))).toBeUndefined();
});

test.for(['127.0.0.1', '::1'])('the user of a TCP connection at %s', async (address) => {
  const users = new SocketUsers();
  const server = createServer();
  onTestFinished(() => {
    users.close();
    server.close();
  });
  await once(server.listen(0, address), 'listening');
  const client = connect((server.address() as AddressInfo).port, address);
  onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  const [from, here] = [
    { address, port: client.localPort! },
    { address, port: client.remotePort! },
  ];
  expect(users.uidOfTcp(from, here)).toBe(process.getuid!());
  client.destroy();
  await once(client, 'close');
  expect(users.uidOfTcp(from, here)).toBeUndefined();
});
