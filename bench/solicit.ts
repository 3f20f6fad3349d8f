/**
 * Sends solicitations at a steady rate. Arguments: its IPv4 addresses with commas between, which are used in turn, the server's, the rate per second, and seconds. Prints `ready`; at
 * SIGUSR2 it begins, and prints how many it has sent. It does not read answers: the caller counts them.
 */
import { UdpSocket } from '../src/linux/udp.ts';
import { parseIpv4 } from '../src/wire/index.ts';
import { makeSolicitation } from './solicitation.ts';

const [own, server, perSecond, seconds] = process.argv.slice(2);
const BURST = 32;
/** So that the end is not missed where there is no pace. */
const MOST_A_TURN = 1_024;

const payload = makeSolicitation();
const target = parseIpv4(server!)!;
const sockets = own!
  .split(',')
  .map((address) => new UdpSocket({ address: parseIpv4(address)!, port: 40_000, headroom: 0 }));
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
    const due = Math.min((now * Number(perSecond)) / 1_000, sent + MOST_A_TURN);
    for (; sent < due; sent += BURST) {
      const socket = sockets[(sent / BURST) % sockets.length]!;
      for (let i = 0; i < BURST; i++) socket.send(payload, 0, payload.length, target, 3_544);
      socket.flush();
    }
    setTimeout(turn, 1);
  };
  turn();
});
