/**
 * Kernels before 6.6, where the programs are filters at clsact: to take one away needs a descriptor. Here none is left, or a single call is refused.
 * Nothing is thrown, nothing of the rest is left open, and a filter that cannot be taken away decides nothing any more.
 */
import { closeSync, openSync, readdirSync } from 'node:fs';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { SERVER_LIMITS } from '../../src/core/server/limits.ts';
import { ServerMachine } from '../../src/core/server/index.ts';
import { AddressPolicy } from '../../src/core/address-policy.ts';
import { KernelServerPath } from '../../src/io/kernel-path/kernel-server-path.ts';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import { execute } from '../../src/lab/index.ts';
import type { attachFilter } from '../../src/linux/bpf/attachment.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { UdpSocket } from '../../src/linux/udp.ts';
import { SeededEntropy } from '../../src/sim/seeded-entropy.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { access } from '../support/access.ts';
import { data, v4, v6 } from '../support/client-rig.ts';
import { DescriptorLimit } from '../support/descriptor-limit.ts';
import { eventually } from '../support/eventually.ts';
import { makeRefusable } from '../support/refusable-calls.ts';
import { ERRORS, record, refuse } from '../support/refusing-system.ts';
import { solicitation } from '../support/server-rig.ts';

vi.mock('../../src/linux/bpf/attachment.ts', async (original) => {
  const module = await original<{ attachFilter: typeof attachFilter }>();
  return { ...module, attach: module.attachFilter };
});

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const [PRIMARY, SECONDARY, ASKER] = [v4('203.0.113.120'), v4('203.0.113.121'), v4('203.0.113.9')];

beforeAll(makeRefusable);

const openFiles = (): number => readdirSync('/proc/self/fd').length;

function filters(): number {
  const at = [
    ['teredo', 'egress'],
    ['wan', 'ingress'],
  ] as const;
  const shown = at.map(([name, direction]) => execute('tc', ['filter', 'show', 'dev', name, direction]));
  return [...shown.join('\n').matchAll(/ handle 0x/g)].length;
}

async function carrying(): ReturnType<typeof kernelRig> {
  const rig = await kernelRig('client');
  rig.kernelPath.setOwn(OWN);
  rig.kernelPath.offload(PEER, 0, rig.peer.address, rig.peer.port, rig.clock.now());
  rig.kernelPath.flush();
  await rig.prove(OWN, PEER);
  expect(filters()).toBe(2);
  return rig;
}

test('a client path that is closed without descriptors: all of it is closed, and a filter that stays carries nothing', async () => {
  const { kernelPath, hostSends, peerSends, hostGot, fromTunnel, fromSocket } = await carrying();
  const limit = new DescriptorLimit();
  const before = openFiles();
  await limit.begin();
  expect(() => kernelPath.close()).not.toThrow();
  await limit.end();
  // Two maps and programs at least, the ring, three sockets.
  expect(openFiles()).toBeLessThan(before - 10);
  hostSends(data(OWN, PEER));
  peerSends(data(PEER, OWN));
  await eventually(() => expect(fromTunnel).toContainEqual(data(OWN, PEER)));
  await eventually(() => expect(fromSocket).toContainEqual(data(PEER, OWN)));
  expect(hostGot()).toEqual([]);
});

test('a client path that is closed while a single call is refused', async () => {
  const ports = kernelPorts();
  enterNewNetwork();
  execute('ip', ['link', 'set', 'lo', 'up']);
  execute('ip', ['link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'far']);
  execute('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'wan']);
  for (const name of ['wan', 'far']) execute('ip', ['link', 'set', name, 'up']);
  const tun = ports.openTun('teredo');
  onTestFinished(() => tun.close());
  await ports.tunnelHost.setUpTunnel('teredo', 1280);
  await eventually(() => expect(ports.network.ipv4Subnets().length).toBeGreaterThan(0));
  const open = () => {
    const local = { address: 0, port: 5_000 };
    const path = ports.openKernelPath({ tunnel: 'teredo', local, role: 'client', peers: 16 });
    path.setOwn(OWN);
    path.offload(PEER, 0, v4('192.0.2.2'), 5_000, ports.clock.now());
    path.flush();
    expect(filters()).toBe(2);
    return path;
  };
  const before = openFiles();
  const first = open();
  const recording = record();
  first.close();
  const sites = recording.end();
  expect(sites.length).toBeGreaterThan(5);
  expect([filters(), openFiles()]).toEqual([0, before]);
  for (const [i, site] of sites.entries()) {
    const path = open();
    const end = refuse(site, i % 2 === 0 ? ERRORS.EMFILE : ERRORS.ENOMEM, 1);
    expect(() => path.close(), site).not.toThrow();
    expect(end(), site).toBe(1);
    // Once descriptors are free again a filter that could not be taken away is.
    expect([filters(), openFiles()], site).toEqual([0, before]);
  }
  open().close();
  expect(execute('tc', ['qdisc', 'show'])).not.toContain('clsact');
});

interface ServerRig {
  readonly path: KernelServerPath;
  /** Sends a solicitation; answers so far. */
  readonly ask: () => void;
  readonly answers: () => number;
  /** Solicitations that have come to the process. */
  readonly left: () => number;
}

/** A server at one end of a wire, and a host that asks it at the other. */
async function serverRig(): Promise<ServerRig> {
  enterNewNetwork();
  execute('ip', ['link', 'add', 'far', 'type', 'veth', 'peer', 'name', 'wan']);
  execute('ip', ['address', 'add', '203.0.113.9/24', 'dev', 'far']);
  execute('ip', ['link', 'set', 'far', 'up']);
  const far = new UdpSocket({ address: ASKER, port: 5_000, headroom: 0 });
  const first = openSync('/proc/self/ns/net', 'r');
  enterNewNetwork();
  const here = String(process.pid);
  execute('nsenter', [`--net=/proc/${here}/fd/${first}`, 'ip', 'link', 'set', 'wan', 'netns', here]);
  closeSync(first);
  execute('ip', ['link', 'set', 'lo', 'up']);
  for (const address of ['203.0.113.120', '203.0.113.121'])
    execute('ip', ['address', 'add', `${address}/24`, 'dev', 'wan']);
  execute('ip', ['link', 'set', 'wan', 'up']);
  const { network, clock } = kernelPorts();
  await eventually(() => expect(network.ipv4Subnets().length).toBeGreaterThan(0));
  const own = new UdpSocket({ address: PRIMARY, port: 3_544, headroom: 0 });
  let [answers, left] = [0, 0];
  far.start((batch) => (answers += batch.count));
  own.start((batch) => (left += batch.count));
  const policy = new AddressPolicy({ subnets: [], allowPrivate: false });
  const machine = new ServerMachine(
    { primary: PRIMARY, secondary: SECONDARY, mtu: true, policy },
    new SeededEntropy(1),
  );
  const path = new KernelServerPath(
    {
      primary: PRIMARY,
      secondary: SECONDARY,
      announced: { primary: PRIMARY, secondary: SECONDARY },
      advertisement: machine.advertisement,
      answers: true,
      allowPrivate: false,
      access: access(),
      limits: SERVER_LIMITS,
      arrived: () => left,
    },
    clock,
    network,
    new SeededEntropy(1),
  );
  onTestFinished(() => {
    path.close();
    own.close();
    far.close();
  });
  const asked = solicitation();
  const ask = (): void => {
    far.send(asked, 0, asked.length, PRIMARY, 3_544);
    far.flush();
  };
  const rig = { path, ask, answers: () => answers, left: () => left };
  await answered(rig);
  return rig;
}

async function answered({ ask, answers }: ServerRig): Promise<void> {
  const before = answers();
  await eventually(() => {
    ask();
    expect(answers()).toBeGreaterThan(before);
  });
}

test('another access list while there are no descriptors: the program does nothing until it has the list', async () => {
  const rig = await serverRig();
  const { path, ask, answers, left } = rig;
  const limit = new DescriptorLimit();
  await limit.begin();
  expect(() => path.setAccess(access('-203.0.113.9'))).not.toThrow();
  expect(path.work.answers).toBe(false);
  const [before, leftBefore] = [answers(), left()];
  for (let i = 0; i < 3; i++) ask();
  await eventually(() => expect(left()).toBe(leftBefore + 3));
  expect(answers()).toBe(before);
  await limit.end();
  await eventually(() => {
    ask();
    expect(path.counters['droppedDenied']).toBeGreaterThan(0);
  });
  expect(path.work.answers).toBe(true);
  path.setAccess(access());
  await answered(rig);
});

test('a server path that is closed without descriptors: the program answers no more', async () => {
  const { path, ask, answers, left } = await serverRig();
  const limit = new DescriptorLimit();
  await limit.begin();
  expect(() => path.close()).not.toThrow();
  await limit.end();
  const [before, leftBefore] = [answers(), left()];
  ask();
  await eventually(() => expect(left()).toBe(leftBefore + 1));
  expect(answers()).toBe(before);
});

test('the system refuses while the network changes: the program does nothing, and the process says so', async () => {
  const rig = await serverRig();
  const { path, ask, answers, left } = rig;
  const limit = new DescriptorLimit();
  await limit.begin();
  path['followNow']();
  expect(path.work).toMatchObject({ answers: false, forwards: false });
  const [before, leftBefore] = [answers(), left()];
  ask();
  await eventually(() => expect(left()).toBe(leftBefore + 1));
  expect(answers()).toBe(before);
  await limit.end();
  await eventually(() => expect(path.work.answers).toBe(true));
  await answered(rig);
});
