/** A relay in a new network namespace, with peers that the kernel carries. */
import { execFileSync } from 'node:child_process';
import type { PeerTable } from '../../src/core/peer-table.ts';
import { RelayRole } from '../../src/daemon/relay-role.ts';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { KernelPath } from '../../src/io/ports.ts';
import { systemClock } from '../../src/io/system-clock.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { makeTeredoAddress } from '../../src/wire/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';
import { v4 } from './client-rig.ts';

const ADDRESS = '192.0.2.10';
const [FIRST_MAPPED, MAPPED_PORT] = [0x0808_0000, 4_000];
const SERVER = v4('198.51.100.118');

export interface CarriedRelay {
  readonly role: RelayRole;
  readonly kernelPath: KernelPath;
  readonly addresses: readonly Ipv6[];
}

export const ip = (...words: string[]): void => void execFileSync('ip', words);

/** All peers are at addresses of their own, and reached by the interface "eth". */
export async function carriedRelay(count: number): Promise<CarriedRelay> {
  enterNewNetwork();
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'eth', 'type', 'veth', 'peer', 'name', 'other');
  ip('addr', 'add', `${ADDRESS}/24`, 'dev', 'eth');
  // Routes that change make the kernel path forget its peers.
  for (const name of ['eth', 'other']) ip('link', 'set', name, 'addrgenmode', 'none', 'up');
  ip('route', 'add', 'default', 'via', '192.0.2.1', 'dev', 'eth');
  ip('neigh', 'add', '192.0.2.1', 'lladdr', '02:00:00:00:00:01', 'dev', 'eth');
  ip('addr', 'add', '2001:db8::1/64', 'dev', 'eth', 'nodad');
  const settings = {
    address: v4(ADDRESS),
    port: 3545,
    interface: 'teredo',
    dataPath: 'kernel' as const,
  };
  const role = new RelayRole('relay', settings, kernelPorts(), { end: () => {}, changed: () => {} });
  await role.start();
  return { role, ...carry(role, count) };
}

/** Peers as if each had been verified. */
function carry(role: RelayRole, count: number): Omit<CarriedRelay, 'role'> {
  const { machine, kernelPath } = (
    role as unknown as { relay: { machine: { peers: PeerTable }; kernelPath: { port: KernelPath } } }
  ).relay;
  const { peers } = machine;
  const { port } = kernelPath;
  const addresses: Ipv6[] = [];
  for (let i = 0; i < count; i++) {
    const pair = { mappedAddress: FIRST_MAPPED + i, mappedPort: MAPPED_PORT };
    const address = makeTeredoAddress({ server: SERVER, flags: 0, ...pair });
    addresses.push(address);
    const peer = peers.insert(address, 0);
    [peers.mappedAddress[peer], peers.mappedPort[peer]] = [pair.mappedAddress, pair.mappedPort];
    peers.lastReceived.set(peer, i);
    peers.trust(peer, i);
    peers.countReceived(peer, 1_000 + i);
  }
  offer(port, addresses);
  return { kernelPath: port, addresses };
}

/** To the kernel path. */
export function offer(port: KernelPath, addresses: readonly Ipv6[]): void {
  for (const [i, address] of addresses.entries()) {
    port.offload(address, 0, FIRST_MAPPED + i, MAPPED_PORT, systemClock.now());
    if (i % 1_000 === 0) port.flush();
  }
  port.flush();
  if (port.size !== addresses.length)
    throw new Error(`${port.size} of ${addresses.length} peers are carried`);
}
