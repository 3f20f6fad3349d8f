/** Drivers may hide the VLAN tag of a frame: the program in the driver cannot see it, `decap` behind it can. */
import { expect, onTestFinished, test } from 'vitest';
import { XdpArrivals } from '../../src/io/kernel-path/xdp-arrivals.ts';
import { execute } from '../../src/lab/index.ts';
import { attach } from '../../src/linux/bpf/attachment.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { readLinks } from '../../src/linux/links.ts';
import type { Link } from '../../src/linux/links.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';
import { loadTagging } from '../support/tagging.ts';
import { tcpSegment } from '../support/tcp-segment.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const PRIORITY = 0x6000;
const OTHER_NETWORK = 5;
const FRAMES = 10;

const indexOf = (name: string): number =>
  [...readLinks().values()].find((link) => link.name === name)!.ifindex;

function receivedBy(name: string): number {
  const [link] = JSON.parse(execute('ip', ['-s', '-j', 'link', 'show', name])) as [
    { stats64: { rx: { packets: number } } },
  ];
  return link.stats64.rx.packets;
}

test.each([
  ['a priority only: the packets are received', PRIORITY, FRAMES],
  ['another network: the packets are not received', OTHER_NETWORK, 0],
])('hidden tags with %s', async (_, tag, received) => {
  const rig = await kernelRig('client', 'veth', 'on');
  const { kernelPath, peer, clock, peerSends, hostGot } = rig;
  const atPeer = (...command: string[]): string =>
    execute('nsenter', [`--net=${rig.peerNetwork}`, ...command]);
  atPeer('ethtool', '-K', 'far', 'tx', 'off');
  const [, mac] = /ether (\S+)/.exec(execute('ip', ['link', 'show', 'wan']))!;
  atPeer('ip', 'neighbour', 'replace', '192.0.2.1', 'lladdr', mac!, 'dev', 'far');
  const tagging = attach(loadTagging(tag), indexOf('wan'), 'ingress', 1);
  onTestFinished(() => void tagging.close());
  kernelPath.setOwn(OWN);
  kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
  kernelPath.flush();
  const segment = tcpSegment(PEER, OWN, 100);
  const before = receivedBy('wan');
  for (let i = 0; i < FRAMES; i++) peerSends(segment);
  await eventually(() => expect(receivedBy('wan')).toBeGreaterThanOrEqual(before + FRAMES));
  await eventually(() => expect(hostGot()).toHaveLength(received));
  expect(kernelPath.counters['inDriver']).toBe(received);
  expect(rig.fromSocket).toEqual([]);
});

test('no program in the driver of an interface with a VLAN, for as long as that is there', () => {
  enterNewNetwork();
  execute('ip', ['link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'far']);
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const arrivals = new XdpArrivals(program, 'on');
  onTestFinished(() => {
    arrivals.close();
    program.close();
  });
  const wan = [...readLinks().values()].find(({ name }) => name === 'wan')!;
  // This kernel may have no VLANs.
  const vlan: Link = { ...wan, ifindex: wan.ifindex + 100, name: 'wan.5', kind: 'vlan', below: wan.ifindex };
  const isInDriver = (): boolean => execute('ip', ['link', 'show', 'wan']).includes('prog/xdp');
  arrivals.follow([wan], [wan]);
  expect([arrivals.reasonAgainst(wan.ifindex), isInDriver()]).toEqual([undefined, true]);
  arrivals.follow([wan], [wan, vlan]);
  expect([arrivals.reasonAgainst(wan.ifindex), isInDriver()]).toEqual(['there is a VLAN, wan.5', false]);
  arrivals.follow([wan], [wan]);
  expect([arrivals.reasonAgainst(wan.ifindex), isInDriver()]).toEqual([undefined, true]);
});
