/** Changes of the host's routes are followed while packets are carried. */
import { spawn } from 'node:child_process';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Uplinks } from '../../src/io/kernel-path/uplinks.ts';
import { execute } from '../../src/lab/index.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { data, v4, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';
import { stopwatch } from '../support/stopwatch.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const OTHER = v6('2001:0:cb00:7178::3');
const OTHER_PLACE = v4('192.0.2.3');
/** The time within which a change is followed. */
const SOON_MS = 2_000;
/** A delay of some turns of the event loop, in addition to the time that a test expects. */
const SLACK_MS = 500;

test('nothing larger is sent by an uplink whose MTU shrinks', async () => {
  const { kernelPath, peer, clock, prove, hostSends, peerGot, fromTunnel } = await kernelRig('client');
  const offer = (): void => {
    kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
    kernelPath.flush();
  };
  let resets = 0;
  kernelPath.start({ onCarried: () => {}, onReset: () => resets++, onLost: unexpected });
  kernelPath.setOwn(OWN);
  offer();
  await prove(OWN, PEER);
  hostSends(data(OWN, PEER, 1_280));
  await eventually(() => expect(peerGot()).toHaveLength(1));
  execute('ip', ['link', 'set', 'wan', 'mtu', '1300']);
  await eventually(() => expect(resets).toBeGreaterThan(0));
  offer();
  await prove(OWN, PEER);
  hostSends(data(OWN, PEER, 1_280));
  await eventually(() => expect(fromTunnel).toEqual([data(OWN, PEER, 1_280)]));
  hostSends(data(OWN, PEER, 1_272));
  await eventually(() => expect(peerGot()).toEqual([data(OWN, PEER, 1_272)]));
});

test('a change elsewhere makes no peer forgotten', async () => {
  const { kernelPath, resets } = await offered();
  const followed = vi.spyOn(Uplinks.prototype, 'follow');
  onTestFinished(() => followed.mockRestore());
  for (const change of ['add 198.18.0.0/15', 'add 203.0.113.0/24', 'del 198.18.0.0/15'])
    execute('ip', ['route', ...change.split(' '), 'dev', 'wan']);
  await eventually(() => expect(followed).toHaveBeenCalled());
  expect(followed.mock.results.every(({ value }) => (value as Map<unknown, unknown>).size === 0)).toBe(true);
  expect([kernelPath.size, resets()]).toEqual([2, 0]);
});

test('peers whose route ends are left to user space, and no others; when there is a route again all are offered again', async () => {
  const { kernelPath, resets, prove, hostSends, fromTunnel, peerGot } = await offered();
  execute('ip', ['route', 'add', 'unreachable', '192.0.2.3/32']);
  await eventually(() => expect(kernelPath.size).toBe(1));
  hostSends(data(OWN, OTHER));
  await eventually(() => expect(fromTunnel).toEqual([data(OWN, OTHER)]));
  await prove(OWN, PEER);
  hostSends(data(OWN, PEER));
  await eventually(() => expect(peerGot()).toEqual([data(OWN, PEER)]));
  expect(resets()).toBe(0);
  execute('ip', ['route', 'del', 'unreachable', '192.0.2.3/32']);
  await eventually(() => expect(resets()).toBe(1));
});

test('a change is followed within 2 s, however many other changes there are', async () => {
  const { kernelPath } = await offered();
  // Another process makes them: this one would only wait for them.
  const [add, remove] = ['add', 'del'].map((what) => `ip route ${what} 198.18.0.0/15 dev wan`);
  const others = spawn('sh', ['-c', `while ${add} && ${remove}; do sleep 0.05; done`]);
  onTestFinished(() => void others.kill());
  execute('ip', ['route', 'add', 'unreachable', '192.0.2.3/32']);
  const watch = stopwatch();
  await eventually(() => expect(kernelPath.size).toBe(1));
  expect(watch()).toBeLessThan(SOON_MS + SLACK_MS);
});

test('with more destinations than are followed one by one, all are offered again, but not at every change', async () => {
  const { kernelPath, resets, peer, clock } = await offered();
  const crowd = (): void => {
    for (let i = 0; i < 4_200; i++)
      kernelPath.offload(OTHER, 0, v4('192.0.2.3') + 256 * i, peer.port, clock.now());
    kernelPath.flush();
  };
  const looked = vi.spyOn(Uplinks.prototype, 'areUnchanged');
  onTestFinished(() => looked.mockRestore());
  crowd();
  execute('ip', ['route', 'add', '198.18.0.0/15', 'dev', 'wan']);
  await eventually(() => expect(resets()).toBe(1));
  crowd();
  looked.mockClear();
  execute('ip', ['route', 'del', '198.18.0.0/15', 'dev', 'wan']);
  await eventually(() => expect(looked).toHaveBeenCalled());
  expect(resets()).toBe(1);
});

test('a new next hop is used at once, whether all destinations are followed one by one or not', async () => {
  const { kernelPath, resets, peer, clock, prove, hostSends, peerGot } = await offered();
  const asked = vi.spyOn(Uplinks.prototype, 'askRoutes');
  const known = vi.spyOn(Uplinks.prototype, 'knowRoutes');
  onTestFinished(() => [asked, known].forEach((spy) => spy.mockRestore()));
  const arrives = async (packet: Uint8Array): Promise<void> => {
    await prove(OWN, PEER);
    hostSends(packet);
    await eventually(() => expect(peerGot()).toContainEqual(packet));
  };
  await arrives(data(OWN, PEER, 100));
  const [, mac] = /lladdr (\S+)/.exec(execute('ip', ['neigh', 'show', '192.0.2.2']))!;
  const [noHost, peerItself] = ['192.0.2.8', '192.0.2.9'];
  for (const [gateway, address] of [
    [noHost, '02:00:00:00:00:08'],
    [peerItself, mac!],
  ] as const)
    execute('ip', ['neigh', 'replace', gateway, 'lladdr', address, 'nud', 'permanent', 'dev', 'wan']);
  const change = async (gateway: string): Promise<void> => {
    for (const spy of [asked, known]) spy.mockClear();
    execute('ip', ['route', 'replace', '192.0.2.2/32', 'via', gateway]);
    await eventually(() => expect(asked).toHaveBeenCalled());
  };
  await change(noHost);
  hostSends(data(OWN, PEER, 200));
  await change(peerItself);
  await arrives(data(OWN, PEER, 201));
  expect(peerGot()).not.toContainEqual(data(OWN, PEER, 200));
  await eventually(() => expect(known).toHaveBeenCalled());
  await arrives(data(OWN, PEER, 202));
  expect(resets()).toBe(0);

  const crowd = (): void => {
    for (let i = 0; i < 4_200; i++)
      kernelPath.offload(OTHER, 0, OTHER_PLACE + 256 * i, peer.port, clock.now());
    kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
    kernelPath.flush();
  };
  crowd();
  await change(noHost); // all are offered again, and then not for 10 s
  await eventually(() => expect(resets()).toBe(1));
  crowd();
  hostSends(data(OWN, PEER, 300));
  await change(peerItself);
  await arrives(data(OWN, PEER, 301));
  expect(peerGot()).not.toContainEqual(data(OWN, PEER, 300));
  expect(resets()).toBe(1);
});

test("a rule that leads a socket's datagrams elsewhere is followed, too", async () => {
  const { kernelPath, socketPair } = await offered();
  execute('ip', ['route', 'add', 'unreachable', 'default', 'table', '100']);
  const port = socketPair.split(':')[1]!;
  execute('ip', ['rule', 'add', 'ipproto', 'udp', 'sport', port, 'lookup', '100']);
  await eventually(() => expect(kernelPath.size).toBe(0));
});

test('nothing is carried while a routing rule looks at the destination port: one address may be reached by different routes', async () => {
  const { kernelPath, resets } = await offered();
  // Both routes reach the peer, so no loss would show the difference.
  execute('ip', ['route', 'add', '192.0.2.0/24', 'dev', 'wan', 'table', '100']);
  const rule = ['ipproto', 'udp', 'dport', '1-60000', 'lookup', '100'];
  execute('ip', ['rule', 'add', ...rule]);
  await eventually(() => expect(kernelPath.size).toBe(0));
  expect(kernelPath.uplinkStates).toMatchObject([
    { interface: 'wan', carried: 'none', reason: 'a routing rule looks at the destination port' },
  ]);
  const before = resets();
  execute('ip', ['rule', 'del', ...rule]);
  await eventually(() => expect(resets()).toBeGreaterThan(before));
});

test('nothing is carried by a route with a hop limit of its own, which datagrams of the socket get and those of a program would not', async () => {
  const { kernelPath } = await offered();
  execute('ip', ['route', 'replace', '192.0.2.0/24', 'dev', 'wan', 'hoplimit', '9']);
  await eventually(() => expect(kernelPath.size).toBe(0));
  expect(kernelPath.uplinkStates).toMatchObject([
    { interface: 'wan', carried: 'none', reason: 'its route has a hop limit of its own' },
  ]);
});

test('the end of the kernel path is reported, and the process continues', async () => {
  const { kernelPath, lost } = await offered();
  const follow = vi.spyOn(Uplinks.prototype, 'follow').mockImplementation(() => {
    throw new Error('no memory');
  });
  onTestFinished(() => follow.mockRestore());
  execute('ip', ['route', 'add', '198.18.0.0/15', 'dev', 'wan']);
  await eventually(() => expect(lost()).toEqual(['the kernel path has failed: no memory']));
  expect(execute('ip', ['-d', 'link', 'show', 'dev', 'wan'])).not.toMatch(/tcx|prog/);
  kernelPath.close();
});

/** With two peers, at two addresses. */
async function offered() {
  const rig = await kernelRig('client');
  const { kernelPath, peer, clock } = rig;
  let resets = 0;
  const lost: string[] = [];
  kernelPath.start({
    onCarried: () => {},
    onReset: () => resets++,
    onLost: ({ message }) => lost.push(message),
  });
  kernelPath.setOwn(OWN);
  kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
  kernelPath.offload(OTHER, 0, OTHER_PLACE, peer.port, clock.now());
  kernelPath.flush();
  expect(kernelPath.size).toBe(2);
  return { ...rig, resets: () => resets, lost: () => lost };
}

function unexpected(error: Error): void {
  throw error;
}

const DROPPED = `table netdev t { chain c {
  type filter hook egress device "wan" priority 0;
  udp length > 300 drop
}
}
`;
const POLICY =
  'src 192.0.2.1/32 dst 198.51.100.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel'.split(
    ' ',
  );

test.each<[string, string, () => void, () => void]>([
  [
    'an nftables chain for leaving packets',
    'nftables has chain c of table netdev t for packets that leave there',
    () => execute('nft', ['-f', '-'], DROPPED),
    () => execute('nft', ['delete', 'table', 'netdev', 't']),
  ],
  [
    'an IPsec policy',
    'IPsec has policies',
    () => execute('ip', ['xfrm', 'policy', 'add', ...POLICY]),
    () => execute('ip', ['xfrm', 'policy', 'flush']),
  ],
])('%s: nothing is carried by that uplink until it is removed', async (_, reason, add, remove) => {
  const { kernelPath, resets, peer, clock, prove, hostSends, fromTunnel, peerGot } = await offered();
  const offer = (): void => {
    kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
    kernelPath.flush();
  };
  await prove(OWN, PEER);
  add();
  await eventually(() => expect(resets()).toBe(1));
  offer();
  expect(kernelPath.size).toBe(0);
  expect(kernelPath.uplinkStates).toEqual([{ interface: 'wan', kind: 'veth', carried: 'none', reason }]);
  hostSends(data(OWN, PEER, 400));
  await eventually(() => expect(fromTunnel).toEqual([data(OWN, PEER, 400)]));
  remove();
  await eventually(() => expect(resets()).toBe(2));
  offer();
  await prove(OWN, PEER);
  hostSends(data(OWN, PEER, 200));
  await eventually(() => expect(peerGot()).toEqual([data(OWN, PEER, 200)]));
});
