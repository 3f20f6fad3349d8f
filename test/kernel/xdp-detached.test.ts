/** Another process detaches `decap`: the program in the driver unwraps nothing more, and datagrams reach the socket, until `decap` is there again. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import { DRIVER } from '../../src/linux/bpf/layout.ts';
import { libbpf } from '../../src/linux/bpf/libbpf.ts';
import type { PeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { Memory } from '../../src/linux/libc.ts';
import { readLinks } from '../../src/linux/links.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';
import { tcpSegment } from '../support/tcp-segment.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const SEGMENT = tcpSegment(PEER, OWN, 100);

test('once, and again within the time between two rounds of offers', async () => {
  const rig = await kernelRig('client', 'veth', 'on');
  const { kernelPath, peer, clock, peerSends, fromSocket } = rig;
  execute('nsenter', [`--net=${rig.peerNetwork}`, 'ethtool', '-K', 'far', 'tx', 'off']);
  const offer = (): void => {
    kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
    kernelPath.flush();
  };
  kernelPath.start({ onCarried: () => {}, onReset: offer, onLost: () => {} });
  kernelPath.setOwn(OWN);
  offer();
  const { program } = kernelPath as unknown as { program: PeerProgram };
  const inDriver = async (): Promise<void> => {
    const before = kernelPath.counters['inDriver']!;
    await eventually(() => {
      peerSends(SEGMENT);
      expect(kernelPath.counters['inDriver']).toBeGreaterThan(before);
    });
  };
  await inDriver();
  const [first] = linksOf(program);
  detach(first!);
  await eventually(() => expect(linksOf(program)).not.toEqual([first]));
  await inDriver();
  const [link] = linksOf(program);
  detach(link!);
  await eventually(() => expect(unwrapsAt(program, 'wan')).toBe(false));
  fromSocket.length = 0;
  await eventually(() => {
    peerSends(SEGMENT);
    expect(fromSocket).toContainEqual(SEGMENT);
  });
  // Nothing has been attached yet.
  expect(linksOf(program)).toEqual([link]);
});

/** The kernel's numbers of the links of `decap`, detached ones, too. */
function linksOf(program: PeerProgram): number[] {
  const fdinfo = readFileSync(`/proc/self/fdinfo/${program.program('decap')}`, 'utf8');
  const id = Number(/prog_id:\s*(\d+)/.exec(fdinfo)![1]);
  const links = JSON.parse(execute('bpftool', ['-j', 'link', 'show'])) as { id: number; prog_id: number }[];
  return links.filter(({ prog_id }) => prog_id === id).map((one) => one.id);
}

/** Whether the program in the driver unwraps anything there. */
function unwrapsAt(program: PeerProgram, name: string): boolean {
  const [key, value] = [new Memory(4), new Memory(DRIVER.SIZE)];
  const { ifindex } = [...readLinks().values()].find((link) => link.name === name)!;
  key.view.setUint32(0, ifindex, true);
  return libbpf().lookup(program.map('drivers'), key.address, value.address) === 0;
}

function detach(link: number): void {
  execute('bpftool', ['link', 'detach', 'id', String(link)]);
}
