import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { UdpUsers } from './udp-user.ts';
import type { UdpPlace } from './udp-user.ts';

async function bound(address: string): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  await once(socket.bind(0, address), 'listening');
  return socket;
}

const placeOf = (socket: Socket): UdpPlace => socket.address();

test.for(['127.0.0.1', '::1', '0.0.0.0'])('the user of a socket at %s', async (address) => {
  const users = new UdpUsers();
  onTestFinished(() => users.close());
  const there = address === '0.0.0.0' ? '127.0.0.1' : address;
  const [client, here] = [await bound(address), await bound(there)];
  onTestFinished(() => void here.close());
  const place = { address: there, port: placeOf(client).port };
  expect(users.uidOf(place, placeOf(here))).toBe(process.getuid!());
  client.close();
  await once(client, 'close');
  expect(users.uidOf(place, placeOf(here))).toBeUndefined();
});
