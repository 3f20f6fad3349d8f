/** A native host that sends 1280-byte packets as fast as it can. Arguments: its IPv6 address, the destination, and seconds. */
import { RawIpv6Socket } from '../src/linux/raw-ipv6.ts';
import { makeUdpPacket } from './packets.ts';
import { parseIpv6 } from '../src/wire/index.ts';

const BURST = 64;

const [own, destination, seconds] = process.argv.slice(2);
const packet = makeUdpPacket(parseIpv6(own!)!, parseIpv6(destination!)!, 1280);
const socket = new RawIpv6Socket();
const until = performance.now() + Number(seconds) * 1000;
while (performance.now() < until) {
  for (let i = 0; i < BURST; i++) socket.send(packet, 0, packet.length);
}
socket.close();
