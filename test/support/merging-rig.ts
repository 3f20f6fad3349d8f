import { onTestFinished, vi } from 'vitest';
import { Merging } from '../../src/io/kernel-path/merging.ts';
import type { ProgramConfig } from '../../src/io/kernel-path/program-config.ts';
import { execute } from '../../src/lab/index.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { readLinks } from '../../src/linux/links.ts';
import type { Link } from '../../src/linux/links.ts';
import type { Tunnel } from '../../src/linux/merging-pair.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';

/** The merging of a role without its other parts. */
export interface MergingRig {
  readonly merging: Merging;
  readonly tunnel: Tunnel;
  /** The interface at which datagrams arrive; it has no program in its driver. */
  readonly find: () => [Link[], boolean];
  /** The addresses with which the programs were configured. */
  readonly addresses: (readonly number[])[];
}

/** In a new network with an interface `wan`, which merges packets, and a tunnel `teredo`. */
export function startMerging(): MergingRig {
  enterNewNetwork();
  execute('ip', ['link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'far']);
  execute('ip', ['tuntap', 'add', 'mode', 'tun', 'teredo']);
  execute('ethtool', ['-K', 'wan', 'gro', 'on']);
  return mergingOf('teredo');
}

/** The merging of another process in the same network, with an interface of this name. */
export function mergingOf(name: string): MergingRig {
  const linksNamed = (one: string): Link[] => [...readLinks().values()].filter((link) => link.name === one);
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const addresses: (readonly number[])[] = [];
  const config = {
    setPair: (address: readonly number[]) => addresses.push(address),
    write: () => {},
  } as unknown as ProgramConfig;
  const tunnel = linksNamed(name)[0]!;
  const merging = new Merging({ program, config, wish: 'auto', tunnel, handle: 1, forwards: false });
  onTestFinished(() => {
    vi.restoreAllMocks();
    merging.close();
    program.close();
  });
  return { merging, tunnel, find: () => [linksNamed('wan'), false], addresses };
}
