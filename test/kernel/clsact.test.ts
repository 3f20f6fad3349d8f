/**
 * Kernels before 6.6 have no tcx: the programs are then filters at clsact, which stay when a process dies. Here this kernel is used like
 * those.
 */
import { expect, test, vi } from 'vitest';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import { execute } from '../../src/lab/index.ts';
import { attachFilter, filterHandle, removeLeftFilters } from '../../src/linux/bpf/attachment.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { UdpSocket } from '../../src/linux/udp.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { data, v4, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';

vi.mock('../../src/linux/bpf/attachment.ts', async (original) => {
  const module = await original<{ attachFilter: typeof attachFilter }>();
  return { ...module, attach: module.attachFilter };
});

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');

test('packets are carried both ways, and nothing remains afterwards', async () => {
  const { kernelPath, peer, clock, prove, hostSends, peerSends, hostGot, peerGot, ...user } =
    await kernelRig('client');
  kernelPath.setOwn(OWN);
  kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
  kernelPath.flush();
  await prove(OWN, PEER);
  hostSends(data(OWN, PEER));
  peerSends(data(PEER, OWN));
  await eventually(() => expect([peerGot(), hostGot()]).toEqual([[data(OWN, PEER)], [data(PEER, OWN)]]));
  expect([user.fromTunnel, user.fromSocket]).toEqual([[], []]);
  expect([filters('teredo', 'egress'), filters('wan', 'ingress')]).toEqual([1, 1]);
  kernelPath.close();
  expect([filters('teredo', 'egress'), filters('wan', 'ingress')]).toEqual([0, 0]);
  expect(execute('tc', ['qdisc', 'show'])).not.toContain('clsact');
});

test.each([
  ['the uplink', 'wan'],
  ['the tunnel', 'teredo'],
])(
  'filters that another program removes at %s are attached again, and packets are carried as before',
  async (_, name) => {
    const { kernelPath, peer, clock, prove, hostSends, peerSends, hostGot, peerGot } =
      await kernelRig('client');
    const offer = (): void => {
      kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
      kernelPath.flush();
    };
    kernelPath.start({ onCarried: () => {}, onReset: offer, onLost: () => {} });
    kernelPath.setOwn(OWN);
    offer();
    await prove(OWN, PEER);
    execute('tc', ['qdisc', 'delete', 'dev', name, 'clsact']);
    await eventually(() => {
      expect([filters('teredo', 'egress'), filters('wan', 'ingress')]).toEqual([1, 1]);
    });
    await prove(OWN, PEER);
    hostSends(data(OWN, PEER));
    peerSends(data(PEER, OWN));
    await eventually(() => {
      expect(peerGot()).toContainEqual(data(OWN, PEER));
      expect(hostGot()).toContainEqual(data(PEER, OWN));
    });
    kernelPath.close();
    expect(execute('tc', ['qdisc', 'show'])).not.toContain('clsact');
  },
);

test('filters left by a crash are taken over: one filter for a socket, and then none; and a removed filter is noticed', () => {
  enterNewNetwork();
  const index = (name: string) => Number(/^(\d+):/m.exec(execute('ip', ['link', 'show', name]))![1]);
  execute('ip', ['link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'far']);
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const attached = (port: number) => attachFilter(program.program('decap'), index('wan'), 'ingress', port);
  attached(3_545);
  const [again, other] = [attached(3_545), attached(3_546)];
  expect(filters('wan', 'ingress')).toBe(2);
  again.close();
  expect(filters('wan', 'ingress')).toBe(1);
  expect(other.isAttached()).toBe(true);
  other.close();
  expect(filters('wan', 'ingress')).toBe(0);
  const taken = attached(3_545);
  execute('tc', ['qdisc', 'delete', 'dev', 'wan', 'clsact']);
  expect(taken.isAttached()).toBe(false);
  program.close();
});

test('filters left at an uplink by a crash are removed at the start, before any peer is carried', async () => {
  const { kernelPath, socketPair } = await kernelRig('client');
  const local = { address: 0, port: Number(socketPair.split(':')[1]) };
  kernelPath.close();
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const wan = Number(/^(\d+):/m.exec(execute('ip', ['link', 'show', 'wan']))![1]);
  attachFilter(program.program('decap'), wan, 'ingress', filterHandle(local));
  program.close();
  expect(filters('wan', 'ingress')).toBe(1);
  const next = kernelPorts().openKernelPath({ tunnel: 'teredo', local, role: 'client', peers: 16 });
  expect(filters('wan', 'ingress')).toBe(0);
  next.close();
});

test('filters left by crashes are removed if their sockets are gone; those of running processes are not', () => {
  enterNewNetwork();
  execute('ip', ['link', 'set', 'lo', 'up']);
  execute('ip', ['link', 'add', 'wan', 'index', '10', 'type', 'veth', 'peer', 'name', 'far']);
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const attached = (local: { address: number; port: number }) =>
    attachFilter(program.program('decap'), 10, 'ingress', filterHandle(local));
  const open = (address: string) => new UdpSocket({ address: v4(address), port: 0, headroom: 0 });
  const sockets = [open('127.0.0.1'), open('127.0.0.2'), open('127.0.0.1')] as const;
  const [crashed, living, own] = sockets;
  attached(crashed.local);
  attached({ ...crashed.local, address: v4('127.0.0.9') });
  const other = attached(living.local);
  const sibling = attached({ ...own.local, address: v4('127.0.0.3') });
  expect(filters('wan', 'ingress')).toBe(4);
  crashed.close();
  const last = attached(own.local);
  expect(filters('wan', 'ingress')).toBe(3);
  expect([other, sibling, last].map((one) => one.isAttached())).toEqual([true, true, true]);
  for (const one of [other, sibling, last]) one.close();
  expect(hasClsact('wan')).toBe(false);
  for (const socket of [living, own]) socket.close();
  program.close();
});

test("two roles with one port, whose addresses have the same 16 bits in a handle: neither takes the other's filter away", () => {
  enterNewNetwork();
  execute('ip', ['link', 'set', 'lo', 'up']);
  execute('ip', ['link', 'add', 'wan', 'index', '10', 'type', 'veth', 'peer', 'name', 'far']);
  for (const address of ['10.0.0.1', '10.2.0.3'])
    execute('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  const programs = [1, 2].map(() => loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 }));
  const open = (address: string) => new UdpSocket({ address: v4(address), port: 3_545, headroom: 0 });
  const attached = (i: number, handle: number) =>
    attachFilter(programs[i]!.program('decap'), 10, 'ingress', handle);
  const first = open('10.0.0.1');
  const one = attached(0, filterHandle(first.local));
  const second = open('10.2.0.3');
  const handle = filterHandle(second.local);
  removeLeftFilters(10, 'ingress', handle);
  expect([filters('wan', 'ingress'), one.isAttached()]).toEqual([1, true]);
  const other = attached(1, handle);
  expect([filters('wan', 'ingress'), one.isAttached(), other.isAttached()]).toEqual([2, true, true]);
  // Each finds its own again after a crash.
  attached(1, handle);
  expect([filters('wan', 'ingress'), one.isAttached()]).toEqual([2, true]);
  one.close();
  expect(filters('wan', 'ingress')).toBe(1);
  for (const socket of [first, second]) socket.close();
  for (const program of programs) program.close();
});

test('another program with the handle of one that has been taken away is not taken for it', () => {
  enterNewNetwork();
  execute('ip', ['link', 'add', 'wan', 'index', '10', 'type', 'veth', 'peer', 'name', 'far']);
  const programs = [1, 2].map(() => loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 }));
  const [one, other] = programs.map((program) =>
    attachFilter(program.program('decap'), 10, 'ingress', 3_545),
  );
  expect([one!.isAttached(), other!.isAttached()]).toEqual([false, true]);
  one!.close();
  expect([filters('wan', 'ingress'), other!.isAttached()]).toEqual([1, true]);
  other!.close();
  expect(hasClsact('wan')).toBe(false);
  for (const program of programs) program.close();
});

test('a qdisc stays while another program has a filter there, and if another program made it', () => {
  enterNewNetwork();
  execute('ip', ['link', 'add', 'wan', 'index', '10', 'type', 'veth', 'peer', 'name', 'far', 'index', '11']);
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const attached = (port: number, ifindex = 10) =>
    attachFilter(program.program('decap'), ifindex, 'ingress', port);
  attached(3_545).close();
  expect(hasClsact('wan')).toBe(false);
  const first = attached(3_545);
  attachFilter(program.program('encap'), 10, 'egress', 3_546);
  first.close();
  expect(hasClsact('wan')).toBe(true);
  execute('tc', ['qdisc', 'add', 'dev', 'far', 'clsact']);
  attached(3_545, 11).close();
  expect(hasClsact('far')).toBe(true);
  program.close();
});

function filters(name: string, direction: string): number {
  return [...execute('tc', ['filter', 'show', 'dev', name, direction]).matchAll(/ handle 0x/g)].length;
}

function hasClsact(name: string): boolean {
  return execute('tc', ['qdisc', 'show', 'dev', name]).includes('clsact');
}
