import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { HEADROOM } from '../../src/core/machine.ts';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { XdpWish } from '../../src/io/ports.ts';
import { execute } from '../../src/lab/process.ts';
import { Memory, sys } from '../../src/linux/libc.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { AF_INET, SOCK_RAW, openSocket } from '../../src/linux/socket.ts';
import { RawIpv6Socket } from '../../src/linux/raw-ipv6.ts';
import { UdpSocket } from '../../src/linux/udp.ts';
import {
  DESTINATION,
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  formatEndpoint,
  nextHeader,
  parsePrefix,
  sealIcmpv6,
} from '../../src/wire/index.ts';
import { data, v4 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';
import { contentsOf, further } from './memory-kernel-path-rig.ts';
import type { Rig } from './memory-kernel-path-rig.ts';

const TUNNEL = 'teredo';
const HOST = { address: v4('192.0.2.1'), prefix: '192.0.2.1/24' };
const PEER = { address: v4('192.0.2.2'), port: 5_000, prefix: '192.0.2.2/24' };
const TEREDO = parsePrefix('2001::/32')!;
/** The header of a capture file, and of each frame in it. */
const [FILE_HEADER, FRAME_HEADER] = [24, 16];

/**
 * Two network namespaces with a link between them. This thread opens the peer's socket in the first namespace, where the socket stays, and
 * then stays in the second, the host's:
 *
 *     first:  peer's socket 192.0.2.2:5000 -- far | wan -- 192.0.2.1, decap, encap, tunnel  :second
 */
export async function kernelRig(
  role: 'client' | 'relay',
  kind: 'veth' | 'tun' = 'veth',
  xdp: XdpWish = 'auto',
): Promise<KernelRig> {
  const { far, sendIpv4, network } = await openFar(kind);
  const ports = kernelPorts();
  const tun = ports.openTun(TUNNEL);
  onTestFinished(() => tun.close());
  await ports.tunnelHost.setUpTunnel(TUNNEL, 1280);
  await ports.tunnelHost.addRoute(TUNNEL, { destination: TEREDO.address, prefixLength: TEREDO.length });
  const udp = ports.openUdp({ address: 0, port: 0 });
  onTestFinished(() => udp.close());
  await eventually(() => {
    if (ports.network.ipv4Subnets().length === 0) throw new Error('the uplink does not run yet');
  });
  const raw = new RawIpv6Socket();
  onTestFinished(() => raw.close());
  const hostGot = await watch();
  const kernelPath = ports.openKernelPath({ tunnel: TUNNEL, local: udp.local, role, peers: 16, xdp });
  onTestFinished(() => kernelPath.close());

  const [peerGot, peerHeardFrom]: [Uint8Array[], string[]] = [[], []];
  const [fromTunnel, fromSocket]: [Uint8Array[], Uint8Array[]] = [[], []];
  far.start((batch) => {
    for (const [i, payload] of contentsOf(batch).entries()) {
      if (isProof(payload)) {
        const reply = replyTo(payload);
        far.send(reply, 0, reply.length, batch.addresses[i]!, batch.ports[i]!);
        continue;
      }
      peerGot.push(payload);
      peerHeardFrom.push(formatEndpoint({ address: batch.addresses[i]!, port: batch.ports[i]! }));
    }
    far.flush();
  });
  tun.start((batch) => fromTunnel.push(...contentsOf(batch).filter(isHostsOwn)), unexpected);
  udp.start((batch) => fromSocket.push(...contentsOf(batch)));
  return {
    kernelPath,
    clock: ports.clock,
    peer: PEER,
    prove: async (source, peer) => {
      await eventually(() => {
        const wanted = data(source, peer, 45);
        if (kernelPath.pathOf(peer).way !== 'both') raw.send(wanted, 0, wanted.length);
        expect(kernelPath.pathOf(peer).way).toBe('both');
      });
      for (const got of [fromTunnel, peerGot, peerHeardFrom]) got.length = 0;
    },
    hostSends: (packet) => void raw.send(packet, 0, packet.length),
    peerSends: (payload, localPort = udp.local.port) => {
      far.send(payload, 0, payload.length, HOST.address, localPort);
      far.flush();
    },
    openSocket: () => further(ports.openUdp({ address: 0, port: 0, few: true })),
    peerSendsIpv4: sendIpv4,
    peerNetwork: network,
    hostGot,
    peerGot: () => peerGot,
    peerHeardFrom: () => peerHeardFrom,
    socketPair: formatEndpoint({ address: HOST.address, port: udp.local.port }),
    fromTunnel,
    fromSocket,
    changeWays: () => ip('link', 'set', 'wan', 'mtu', '1400'),
  };
}

export interface KernelRig extends Rig {
  /** Sends an IPv4 packet as it is, to the host's address. */
  readonly peerSendsIpv4: (packet: Uint8Array) => void;
  /** The file of the peer's network. */
  readonly peerNetwork: string;
}

/** Of IPv4: the packet brings its own header. */
const IPPROTO_RAW = 255;

async function openFar(
  kind: 'veth' | 'tun',
): Promise<{ far: UdpSocket; sendIpv4: (packet: Uint8Array) => void; network: string }> {
  enterNewNetwork();
  if (kind === 'tun') ip('tuntap', 'add', 'far', 'mode', 'tun');
  else ip('link', 'add', 'far', 'type', 'veth', 'peer', 'name', 'wan');
  ip('address', 'add', PEER.prefix, 'dev', 'far');
  ip('link', 'set', 'far', 'up');
  const far = new UdpSocket({ address: PEER.address, port: PEER.port, headroom: HEADROOM });
  onTestFinished(() => far.close());
  const raw = openSocket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  onTestFinished(() => void sys.close(raw));
  const sendIpv4 = (packet: Uint8Array): void => {
    const [bytes, name] = [new Memory(packet.length), new Memory(16)]; // struct sockaddr_in
    bytes.bytes.set(packet);
    name.view.setUint16(0, AF_INET, true);
    name.view.setUint32(4, HOST.address);
    expect(sys.sendto(raw, bytes.address, packet.length, 0, name.address, 16)).toBe(packet.length);
  };
  const first = openSync('/proc/self/ns/net', 'r');
  enterNewNetwork();
  const here = String(process.pid);
  const network = `/proc/${here}/fd/${first}`;
  if (kind === 'tun') await connect(network);
  else execute('nsenter', [`--net=${network}`, 'ip', 'link', 'set', 'wan', 'netns', here]);
  onTestFinished(() => closeSync(first));
  ip('link', 'set', 'lo', 'up');
  ip('address', 'add', HOST.prefix, 'dev', 'wan');
  ip('link', 'set', 'wan', 'up');
  return { far, sendIpv4, network };
}

/** From `far` in another network to a new TUN `wan` in this one. */
async function connect(network: string): Promise<void> {
  const second = openSync('/proc/self/ns/net', 'r');
  const folder = mkdtempSync(join(tmpdir(), 'teredo-rig-'));
  const program = fileURLToPath(new URL('../support/wire.py', import.meta.url));
  const ends = [network, 'far', `/proc/${process.pid}/fd/${second}`, 'wan', join(folder, 'packets'), 'tun'];
  const wire = spawn('python3', [program, ...ends], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    wire.kill();
    rmSync(folder, { recursive: true });
  });
  await new Promise((resolve) => wire.stdout.once('data', resolve));
  closeSync(second);
}

/** Packets that the host receives on the tunnel, from a capture. The buffer holds few packets of the default size. */
async function watch(): Promise<() => Uint8Array[]> {
  const args = [
    '-i',
    TUNNEL,
    '-Q',
    'in',
    '-U',
    '--immediate-mode',
    '-s',
    '2048',
    '-B',
    '4096',
    '-w',
    '-',
    'ip6',
  ];
  const capture = spawn('tcpdump', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void capture.kill());
  let bytes = Buffer.alloc(0);
  capture.stdout.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])));
  await eventually(() => {
    if (bytes.length < FILE_HEADER) throw new Error('the capture has not begun');
  });
  return () => {
    const packets: Uint8Array[] = [];
    for (let at = FILE_HEADER; at + FRAME_HEADER <= bytes.length;) {
      const length = bytes.readUInt32LE(at + 8);
      packets.push(new Uint8Array(bytes.subarray(at + FRAME_HEADER, at + FRAME_HEADER + length)));
      at += FRAME_HEADER + length;
    }
    return packets;
  };
}

/** An echo request with 8 octets of data: with it the adapter asks whether packets of the kernel path arrive (adr/0018). */
function isProof(packet: Uint8Array): boolean {
  return (
    packet.length === IPV6_HEADER + 16 &&
    nextHeader(packet, 0) === NEXT_HEADER.ICMPV6 &&
    packet[IPV6_HEADER] === ICMPV6.ECHO_REQUEST
  );
}

/** The answer of the peer's host. */
function replyTo(proof: Uint8Array): Uint8Array {
  const reply = proof.slice();
  reply.copyWithin(SOURCE, DESTINATION, DESTINATION + 16);
  reply.set(proof.subarray(SOURCE, SOURCE + 16), DESTINATION);
  reply[IPV6_HEADER] = ICMPV6.ECHO_REPLY;
  sealIcmpv6(reply, 0);
  return reply;
}

/** The kernel itself sends group memberships. */
function isHostsOwn(packet: Uint8Array): boolean {
  return packet[24] !== 0xff;
}

function ip(...args: string[]): void {
  execute('ip', args);
}

function unexpected(error: Error): void {
  throw error;
}
