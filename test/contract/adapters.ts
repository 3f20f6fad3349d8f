/** The two sets of ports that every contract is tested with: the kernel's, and those in memory. */
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import { MemoryPorts } from '../../src/io/memory-ports.ts';
import { MemoryIpv4Network } from '../../src/io/memory-udp.ts';
import type { PortFactory } from '../../src/io/port-factory.ts';
import { SeededEntropy } from '../../src/sim/seeded-entropy.ts';

/** An address of the host, for either adapter. */
export const LOOPBACK = 0x7f000001;

export function memoryPorts(): MemoryPorts {
  return new MemoryPorts(new MemoryIpv4Network(), [LOOPBACK], new SeededEntropy(1));
}

export const ADAPTERS: readonly { readonly name: string; readonly ports: () => PortFactory }[] = [
  { name: 'kernel', ports: kernelPorts },
  { name: 'memory', ports: memoryPorts },
];

export const isRoot = process.getuid?.() === 0;
