/**
 * A Teredo client without a tunnel interface, to load a relay. Arguments: its IPv4 address, the server's, the native host's, and seconds.
 * It answers the relay's bubble and prints `trusted`; at SIGUSR1 it sends 1280-byte packets as fast as it can and prints their number.
 */
import { UdpSocket } from '../src/linux/udp.ts';
import {
  DatagramView,
  SOURCE,
  buildBubble,
  decodeDatagram,
  formatIpv6,
  isBubble,
  makeTeredoAddress,
  parseIpv4,
  parseIpv6,
} from '../src/wire/index.ts';
import { makeUdpPacket } from './packets.ts';

const PORT = 40_000;
const SIZE = 1280;
const BURST = 64;

const [own, server, native, seconds] = process.argv.slice(2);
const ownAddress = parseIpv4(own!)!;
const source = makeTeredoAddress({
  server: parseIpv4(server!)!,
  flags: 0,
  mappedAddress: ownAddress,
  mappedPort: PORT,
});
const socket = new UdpSocket({ address: ownAddress, port: PORT, headroom: 64 });
const view = new DatagramView();
let relay: { readonly address: number; readonly port: number } | undefined;

socket.start((batch) => {
  for (let i = 0; i < batch.count; i++) {
    const start = batch.offsets[i]!;
    if (decodeDatagram(batch.buffer, start, start + batch.lengths[i]!, view) !== undefined) continue;
    if (!view.hasOrigin || !isBubble(batch.buffer, view.ipv6Start)) continue;
    relay = { address: view.originAddress, port: view.originPort };
    const asker = batch.buffer.slice(view.ipv6Start + SOURCE, view.ipv6Start + SOURCE + 16);
    const bubble = buildBubble(source, asker, 21);
    socket.send(bubble, 0, bubble.length, relay.address, relay.port);
    socket.flush();
    process.stdout.write('trusted\n');
  }
});
process.stdout.write(`address ${formatIpv6(source)}\n`);

process.on('SIGUSR1', () => {
  const packet = makeUdpPacket(source, parseIpv6(native!)!, SIZE);
  const until = performance.now() + Number(seconds) * 1000;
  let sent = 0;
  while (performance.now() < until) {
    for (let i = 0; i < BURST; i++) socket.send(packet, 0, SIZE, relay!.address, relay!.port);
    socket.flush();
    sent += BURST;
  }
  process.stdout.write(`sent ${sent}\n`);
});
