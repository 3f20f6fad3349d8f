/** Descriptors or memory are short when a program is to be attached in the driver: it is tried again, and no other work ends by it. */
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { DriverPath } from '../../src/io/kernel-path/driver-path.ts';
import { XdpArrivals } from '../../src/io/kernel-path/xdp-arrivals.ts';
import { execute } from '../../src/lab/index.ts';
import { libbpf } from '../../src/linux/bpf/libbpf.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { loadServerProgram } from '../../src/linux/bpf/server-program.ts';
import { E, setErrno, sys } from '../../src/linux/libc.ts';
import { readLinks } from '../../src/linux/links.ts';
import type { Link } from '../../src/linux/links.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';

const SIZES = { peers: 16, served: 16, proofs: 16, reports: 1 << 16 };

let wan: Link;
beforeEach(() => {
  enterNewNetwork();
  execute('ip', ['link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'far']);
  wan = [...readLinks().values()].find(({ name }) => name === 'wan')!;
  return () => void vi.restoreAllMocks();
});

const isInDriver = (): boolean => execute('ip', ['link', 'show', 'wan']).includes('prog/xdp');

/** No descriptor for a socket, which the question for an interface's features needs. */
function refuseSocket(): void {
  vi.spyOn(sys, 'socket').mockImplementationOnce(() => {
    setErrno(E.EMFILE);
    return -1;
  });
}

const refuseLink = (): void => void vi.spyOn(libbpf(), 'createLink').mockReturnValueOnce(-E.EMFILE);

test.each([
  ['the features of the interface', 'on', refuseSocket],
  ['its merging', 'auto', refuseSocket],
  ['the link', 'on', refuseLink],
] as const)('of a client or relay, at the question for %s', (_, wish, refuse) => {
  const program = loadPeerProgram(SIZES);
  const arrivals = new XdpArrivals(program, wish);
  onTestFinished(() => {
    arrivals.close();
    program.close();
  });
  execute('ethtool', ['-K', 'wan', 'gro', 'on']);
  refuse();
  arrivals.follow([wan], [wan]);
  expect(arrivals.reasonAgainst(wan.ifindex)).toMatch(/^descriptors or memory are short .*EMFILE/);
  arrivals.tryAgain();
  expect(isInDriver()).toBe(wish === 'on');
  if (wish === 'on') expect(arrivals.reasonAgainst(wan.ifindex)).toBeUndefined();
  else expect(arrivals.reasonAgainst(wan.ifindex)).toContain('veth');
});

test('of a server', () => {
  const program = loadServerProgram();
  const path = new DriverPath(program, 'on');
  onTestFinished(() => {
    path.close();
    program.close();
  });
  const uplinks = { at: [wan], uplink: 0, ranges: [], anySource: false, wayBack: undefined };
  refuseLink();
  path.follow(uplinks, [wan]);
  expect(path.why).toMatch(/^descriptors or memory are short .*EMFILE/);
  path.look(uplinks);
  expect([path.why, isInDriver()]).toEqual([undefined, true]);
});

test('at loading: an error, and no program without its part in the driver', () => {
  for (const load of [() => loadPeerProgram(SIZES), () => loadServerProgram()]) {
    vi.spyOn(libbpf(), 'load').mockReturnValueOnce(-E.ENOMEM);
    expect(load).toThrow('ENOMEM');
    vi.spyOn(libbpf(), 'load').mockReturnValueOnce(-E.EACCES);
    const program = load();
    expect(program.withoutXdp).toContain('this kernel refuses the program');
    program.close();
  }
});
