import { fstatSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { sys } from '../linux/libc.ts';
import { UdpSocket } from '../linux/udp.ts';
import { DescriptorStore } from './descriptor-store.ts';

const LOOPBACK = 0x7f00_0001;

/** A socket that a predecessor left, as its successor has it. */
function leftSocket(): { fd: number; port: number } {
  const socket = new UdpSocket({ address: LOOPBACK, port: 0, headroom: 0 });
  onTestFinished(() => socket.close());
  return { fd: socket.fd, port: socket.local.port };
}

const isOpen = (fd: number): boolean => {
  try {
    return fstatSync(fd) !== undefined;
  } catch {
    return false;
  }
};

test('nothing is taken over unless both socket and interface fit', () => {
  vi.stubEnv('NOTIFY_SOCKET', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { fd: udp, port } = leftSocket();
  const state = sys.memfdCreate('state', 0);
  const store = new DescriptorStore(
    [
      { name: 'udp', fd: udp },
      { name: 'state', fd: state },
      { name: 'other', fd: sys.memfdCreate('other', 0) },
      { name: 'link-egress-1', fd: sys.memfdCreate('link', 0) },
      { name: 'tun', fd: 9_999 }, // a number without a descriptor
    ],
    { udp: { address: LOOPBACK, port }, tun: 'teredo', keepsLinks: true },
  );
  expect(store.removed).toEqual(['other', 'tun', 'udp', 'state', 'link-egress-1']);
  expect([store.take('udp'), store.take('state'), store.links]).toEqual([undefined, undefined, []]);
  expect([isOpen(udp), isOpen(state)]).toEqual([false, false]);
});

test('a first start has nothing to remove', () => {
  const store = new DescriptorStore([], { udp: { address: 0, port: 0 }, tun: 'teredo', keepsLinks: false });
  expect(store.removed).toEqual([]);
  expect(store.take('udp')).toBeUndefined();
});
