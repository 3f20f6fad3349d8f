import { onTestFinished } from 'vitest';
import { MemoryPorts } from '../../src/io/memory-ports.ts';
import { MemoryIpv4Network } from '../../src/io/memory-udp.ts';
import type { Clock, DatagramBatch, KernelPath, PacketBatch, Udp } from '../../src/io/ports.ts';
import { systemClock } from '../../src/io/system-clock.ts';
import { formatEndpoint } from '../../src/wire/index.ts';
import type { Endpoint } from '../../src/wire/index.ts';
import { seededEntropy, v4 } from '../support/client-rig.ts';

export interface FurtherSocket {
  readonly localPort: number;
  /** Payloads that it has received. */
  readonly got: Uint8Array[];
  readonly close: () => void;
}

/** A host with a tunnel, a socket and a kernel path between them, and another host, the peer's, on its uplink. */
export interface Rig {
  readonly kernelPath: KernelPath;
  readonly clock: Clock;
  /** The source of the peer's datagrams, and the address and port of the host's socket for the peer. */
  readonly peer: Endpoint;
  /** The peer has answered a packet of the kernel path: from then on packets from `source` to it are carried. */
  readonly prove: (source: Uint8Array, peer: Uint8Array) => Promise<void>;
  readonly hostSends: (packet: Uint8Array) => void;
  /** To the socket with this local port; default: the one of `socketPair`. */
  readonly peerSends: (payload: Uint8Array, localPort?: number) => void;
  /** Opens a further socket of the host. */
  readonly openSocket: () => FurtherSocket;
  /** IPv6 packets out of the tunnel; payloads with their sources. */
  readonly hostGot: () => Uint8Array[];
  readonly peerGot: () => Uint8Array[];
  readonly peerHeardFrom: () => string[];
  readonly socketPair: string;
  /** Packets that came to user space instead. */
  readonly fromTunnel: Uint8Array[];
  readonly fromSocket: Uint8Array[];
  /** The host's routes change. */
  readonly changeWays: () => Promise<void> | void;
}

/** Copies of a batch's content. */
export function contentsOf({ count, buffer, offsets, lengths }: DatagramBatch | PacketBatch): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => buffer.slice(offsets[i], offsets[i]! + lengths[i]!));
}

export function further(udp: Udp): FurtherSocket {
  const got: Uint8Array[] = [];
  udp.start((batch) => got.push(...contentsOf(batch)));
  onTestFinished(() => udp.close());
  return { localPort: udp.local.port, got, close: () => udp.close() };
}

export async function memoryRig(role: 'client' | 'relay'): Promise<Rig> {
  const wire = new MemoryIpv4Network();
  const [hostAddress, peerAddress] = [v4('192.0.2.1'), v4('192.0.2.2')];
  const ports = new MemoryPorts(wire, [hostAddress], seededEntropy(), systemClock);
  const tun = ports.openTun('teredo');
  const udp = ports.openUdp({ address: 0, port: 0 });
  const far = wire.bind(peerAddress, 5_000, peerAddress);
  const kernelPath = ports.openKernelPath({ tunnel: 'teredo', local: udp.local, role, peers: 16 });
  onTestFinished(() => kernelPath.close());
  const [peerGot, peerHeardFrom, fromTunnel, fromSocket]: [
    Uint8Array[],
    string[],
    Uint8Array[],
    Uint8Array[],
  ] = [[], [], [], []];
  far.start((batch) => {
    peerGot.push(...contentsOf(batch));
    for (let i = 0; i < batch.count; i++)
      peerHeardFrom.push(formatEndpoint({ address: batch.addresses[i]!, port: batch.ports[i]! }));
  });
  tun.start(
    (batch) => fromTunnel.push(...contentsOf(batch)),
    (error) => {
      throw error;
    },
  );
  udp.start((batch) => fromSocket.push(...contentsOf(batch)));
  const here = { address: hostAddress, port: udp.local.port };
  return {
    kernelPath,
    clock: systemClock,
    peer: { address: peerAddress, port: 5_000 },
    prove: async () => {},
    hostSends: (packet) => tun.offer(packet),
    peerSends: (payload, localPort = here.port) => {
      far.send(payload, 0, payload.length, here.address, localPort);
      far.flush();
    },
    openSocket: () => further(ports.openUdp({ address: 0, port: 0, few: true })),
    hostGot: () => tun.delivered,
    peerGot: () => peerGot,
    peerHeardFrom: () => peerHeardFrom,
    socketPair: formatEndpoint(here),
    fromTunnel,
    fromSocket,
    changeWays: () => kernelPath.reset(),
  };
}
