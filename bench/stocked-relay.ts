/**
 * A relay of this program on the kernel path that knows a number of the crowd's clients (the argument) from the beginning. It is the
 * product as built, with its real ports; only its socket also receives datagrams that were never sent. At SIGUSR2 it receives a bubble from
 * each client, and the machine then offers the client to the kernel as usual; its path counts as proven. With real bubbles and proofs this
 * would take longer than the 30 s for which a client counts as heard.
 */
import type { PeerTable } from '../src/core/peer-table.ts';
import type * as KernelPorts from '../src/io/kernel-ports.ts';
import type { DatagramBatch, Udp } from '../src/io/ports.ts';
import type * as RelayRuntime from '../src/runtime/relay.ts';
import { buildBubble, parseIpv6 } from '../src/wire/index.ts';
import { CLIENT_PORT, NATIVE, RELAY, RELAY_PORT, mappedAddress, teredoAddress } from './crowd-addresses.ts';
import { product } from './product.ts';
import { provePeers } from './proven-peers.ts';

const BATCH = 64;
const HOP_LIMIT = 21;

const { ALL_NATIVE, Relay } = await product<typeof RelayRuntime>('runtime/relay.js');
const { kernelPorts } = await product<typeof KernelPorts>('io/kernel-ports.js');

const clients = Number(process.argv[2]);
let receive: (batch: DatagramBatch) => void;
const ports = kernelPorts();
const relay = new Relay(
  { address: RELAY, port: RELAY_PORT, interface: 'teredo', serve: ALL_NATIVE, dataPath: 'kernel' },
  { ...ports, openUdp: (options) => tapped(ports.openUdp(options)) },
);
await relay.start();
for (let client = 0; client < clients; client++) addTo(relay.peers, client, relay.now);
process.on('SIGUSR2', () => {
  const { receivedPackets, sentPackets } = relay.status().carried!;
  for (let client = 0; client < clients; client += BATCH) receive(bubbles(client, clients));
  const known = provePeers();
  process.stdout.write(`carried ${JSON.stringify({ known, packets: receivedPackets + sentPackets })}\n`);
});
process.on('SIGTERM', () => void relay.close().then(() => process.exit(0)));
process.stdout.write('ready\n');

/** The same socket, with access to its receiver. */
function tapped(udp: Udp): Udp {
  const start = udp.start.bind(udp);
  udp.start = (receiver) => {
    receive = receiver;
    start(receiver);
  };
  return udp;
}

function addTo(peers: PeerTable, client: number, now: number): void {
  const peer = peers.insert(teredoAddress(client), 0);
  peers.mappedAddress[peer] = mappedAddress(client);
  peers.mappedPort[peer] = CLIENT_PORT;
  if (!peers.trust(peer, now)) throw new Error(`no room for client ${client}`);
}

/** Hears {@link BATCH} clients from `first` on, or as many as there are. */
function bubbles(first: number, end: number): DatagramBatch {
  const count = Math.min(BATCH, end - first);
  const all = Array.from({ length: count }, (_, i) => first + i);
  const size = buildBubble(teredoAddress(0), parseIpv6(NATIVE)!, HOP_LIMIT).length;
  const buffer = new Uint8Array(count * size);
  all.forEach((client, i) => {
    buffer.set(buildBubble(teredoAddress(client), parseIpv6(NATIVE)!, HOP_LIMIT), i * size);
  });
  return {
    count,
    buffer,
    offsets: Uint32Array.from(all, (_, i) => i * size),
    lengths: new Uint32Array(count).fill(size),
    addresses: Uint32Array.from(all, mappedAddress),
    ports: new Uint16Array(count).fill(CLIENT_PORT),
    tos: new Uint8Array(count),
  };
}
