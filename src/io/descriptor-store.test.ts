import { closeSync, fstatSync, openSync } from 'node:fs';
import koffi from 'koffi';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DescriptorLimit } from '../../test/support/descriptor-limit.ts';
import { sys } from '../linux/libc.ts';
import { TunDevice } from '../linux/tun.ts';
import { UdpSocket } from '../linux/udp.ts';
import type { Endpoint } from '../wire/index.ts';
import { DescriptorStore } from './descriptor-store.ts';

const LOOPBACK = 0x7f00_0001;
const asRoot = { skip: process.getuid?.() !== 0 };

/** A socket that a predecessor left, as its successor has it: only its number counts, and the store, or the test, closes it. */
function leftSocket(): { fd: number; port: number } {
  const socket = new UdpSocket({ address: LOOPBACK, port: 0, headroom: 0 });
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

test('two descriptors of one name are both closed, and nothing is taken over', asRoot, () => {
  vi.stubEnv('NOTIFY_SOCKET', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { fd: udp, port } = leftSocket();
  const [again, state] = [sys.memfdCreate('udp', 0), sys.memfdCreate('state', 0)];
  const tun = new TunDevice(`dst${process.pid % 1_000_000}`);
  const store = new DescriptorStore(
    [
      { name: 'udp', fd: udp },
      { name: 'udp', fd: again },
      { name: 'tun', fd: tun.fd },
      { name: 'state', fd: state },
    ],
    { udp: { address: LOOPBACK, port }, tun: tun.name, keepsLinks: true },
  );
  expect([udp, again, tun.fd, state].map(isOpen)).toEqual([false, false, false, false]);
  expect(['udp', 'tun', 'state'].map((kind) => store.take(kind as 'udp'))).toEqual(Array(3).fill(undefined));
  expect(store.removed).toEqual(['udp', 'udp', 'tun', 'state']);
});

test('of several links of one name none is taken over', asRoot, () => {
  vi.stubEnv('NOTIFY_SOCKET', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { fd: udp, port } = leftSocket();
  const tun = new TunDevice(`dst${process.pid % 1_000_000}`);
  onTestFinished(() => {
    tun.close();
    sys.close(udp);
  });
  const links = [1, 1, 2].map((index) => ({ name: `link-egress-${index}`, fd: sys.memfdCreate('link', 0) }));
  const store = new DescriptorStore([{ name: 'udp', fd: udp }, { name: 'tun', fd: tun.fd }, ...links], {
    udp: { address: LOOPBACK, port },
    tun: tun.name,
    keepsLinks: true,
  });
  expect(store.links).toEqual([links[2]]);
  expect(links.map(({ fd }) => isOpen(fd))).toEqual([false, false, true]);
  sys.close(links[2]!.fd);
});

test.each(['udp', 'tun'])('nothing is taken over if %s is of another network namespace', asRoot, (other) => {
  vi.stubEnv('NOTIFY_SOCKET', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const name = `dst${process.pid % 1_000_000}`;
  const open = {
    udp: () => new UdpSocket({ address: LOOPBACK, port: 0, headroom: 0 }),
    tun: () => new TunDevice(name),
  };
  const udp = other === 'udp' ? inNewNamespace(open.udp) : open.udp();
  const tun = other === 'tun' ? inNewNamespace(open.tun) : open.tun();
  const passed = [
    { name: 'udp', fd: udp.fd },
    { name: 'tun', fd: tun.fd },
  ];
  const store = new DescriptorStore(passed, { udp: udp.local, tun: name, keepsLinks: false });
  expect(store.removed.toSorted()).toEqual(['tun', 'udp']);
});

/** Runs this part of a test, which must not wait, in a new network namespace. */
function inNewNamespace<T>(part: () => T): T {
  const CLONE_NEWNET = 0x4000_0000;
  const libc = koffi.load('libc.so.6');
  const unshare = libc.func('int unshare(int)') as (flags: number) => number;
  const setns = libc.func('int setns(int, int)') as (fd: number, kind: number) => number;
  const own = openSync('/proc/thread-self/ns/net', 'r');
  const goBack = (): void => {
    const isBack = setns(own, CLONE_NEWNET) === 0;
    closeSync(own);
    if (!isBack) throw new Error('the tests that follow would run in the new network namespace');
  };
  try {
    if (unshare(CLONE_NEWNET) < 0) throw new Error('there is no new network namespace');
    return part();
  } finally {
    goBack();
  }
}

test('a server keeps its first socket without the second one, but not the reverse', () => {
  vi.stubEnv('NOTIFY_SOCKET', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const taken = (fits: 'primary' | 'secondary'): object => {
    const sockets = { primary: leftSocket(), secondary: leftSocket() };
    const placeOf = (kind: 'primary' | 'secondary'): Endpoint => ({
      address: LOOPBACK,
      port: sockets[kind].port + Number(kind !== fits),
    });
    const store = new DescriptorStore(
      (['primary', 'secondary'] as const).map((name) => ({ name, fd: sockets[name].fd })),
      { primary: placeOf('primary'), secondary: placeOf('secondary'), keepsLinks: true },
    );
    const kept = store.take(fits);
    const result = { removed: store.removed, isEmpty: store.isEmpty, isTaken: kept === sockets[fits].fd };
    expect(isOpen(sockets[fits].fd)).toBe(result.isTaken);
    if (kept !== undefined) sys.close(kept);
    return result;
  };
  expect(taken('primary')).toEqual({ removed: ['secondary'], isEmpty: false, isTaken: true });
  expect(taken('secondary')).toEqual({ removed: ['primary', 'secondary'], isEmpty: true, isTaken: false });
});

test.each([
  ['relay', ['udp', 'state', 'link-ingress-1'], 'primary'],
  ['server', ['primary', 'secondary', 'link-ingress-1'], 'udp'],
] as const)('descriptors of a %s are not taken over by another role', (_, names, own) => {
  vi.stubEnv('NOTIFY_SOCKET', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { fd, port } = leftSocket();
  const passed = names.map((name, i) => ({ name, fd: i === 0 ? fd : sys.memfdCreate(name, 0) }));
  const store = new DescriptorStore(passed, { [own]: { address: LOOPBACK, port }, keepsLinks: true });
  expect(new Set(store.removed)).toEqual(new Set(names));
  expect([store.isEmpty, store.links]).toEqual([true, []]);
  expect(passed.some((one) => isOpen(one.fd))).toBe(false);
});

test('where no descriptor is free to examine it, a socket counts as one that does not fit', async () => {
  vi.stubEnv('NOTIFY_SOCKET', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { fd, port } = leftSocket();
  const limit = new DescriptorLimit();
  await limit.begin();
  const places = { primary: { address: LOOPBACK, port }, keepsLinks: true };
  const store = new DescriptorStore([{ name: 'primary', fd }], places);
  await limit.end();
  expect(store.removed).toEqual(['primary']);
  expect(isOpen(fd)).toBe(false);
});

test('a first start has nothing to remove', () => {
  const store = new DescriptorStore([], { udp: { address: 0, port: 0 }, tun: 'teredo', keepsLinks: false });
  expect(store.removed).toEqual([]);
  expect(store.take('udp')).toBeUndefined();
});
