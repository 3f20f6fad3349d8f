/**
 * Sends solicitations at a steady rate. Arguments: its IPv4 address, the server's, the rate per second, and seconds. Prints `ready`; at
 * SIGUSR2 it begins, and prints how many it has sent. It does not read answers: the caller counts them.
 */
import { UdpSocket } from '../src/linux/udp.ts';
import { buildRouterSolicitation, makeLinkLocal, parseIpv4 } from '../src/wire/index.ts';

const [own, server, perSecond, seconds] = process.argv.slice(2);
const BURST = 32;

const nonce = [0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0];
const source = makeLinkLocal({ flags: 0, mappedPort: 40_000, mappedAddress: 0xc0a8_0102 });
const payload = Uint8Array.of(...nonce, ...buildRouterSolicitation(source));
const address = parseIpv4(own!)!;
const target = parseIpv4(server!)!;
const socket = new UdpSocket({ address, port: 40_000, headroom: 0 });
process.stdout.write('ready\n');
setInterval(() => {}, 60_000); // keeps the process alive

process.on('SIGUSR2', () => {
  const began = performance.now();
  const until = Number(seconds) * 1_000;
  let sent = 0;
  const turn = (): void => {
    const now = performance.now() - began;
    if (now >= until) {
      process.stdout.write(`sent ${sent}\n`);
      return;
    }
    for (; sent < (now * Number(perSecond)) / 1_000; sent += BURST) {
      for (let i = 0; i < BURST; i++) socket.send(payload, 0, payload.length, target, 3_544);
      socket.flush();
    }
    setTimeout(turn, 1);
  };
  turn();
});
