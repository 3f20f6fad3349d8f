/**
 * Sends solicitations to each address of a server, each with another nonce: `node questions.mjs FROM HEX EVERY_MS TO...`, with the text of one
 * solicitation in HEX, which has its nonce at octet 4. Prints `answered` with the first answer from each address. At SIGTERM it stops sending. Once all
 * are answered, or at another SIGTERM, it prints for each address, as JSON, how many solicitations had no answer and how long one waited at most.
 */
import dgram from 'node:dgram';

const [NONCE, PORT] = [4, 3544];
const LOOK_MS = 20;

const [from, hex, everyMs, ...servers] = process.argv.slice(2);
const solicitation = Buffer.from(hex, 'hex');
const asked = servers.map(ask);
process.once('SIGTERM', () => {
  for (const { timer } of asked) clearInterval(timer);
  process.on('SIGTERM', finish);
  setInterval(() => {
    if (asked.every(({ open }) => open.size === 0)) finish();
  }, LOOK_MS);
});

function ask(to) {
  const socket = dgram.createSocket('udp4');
  const one = { to, sentAt: [], open: new Set(), longestMs: 0, timer: undefined };
  socket.on('message', (bytes, sender) => {
    const number = bytes.readUInt32BE(NONCE);
    if (sender.address !== to || !one.open.delete(number)) return;
    if (number === 0) console.log('answered');
    one.longestMs = Math.max(one.longestMs, performance.now() - one.sentAt[number]);
  });
  socket.on('error', () => {}); // an ICMP error is no answer
  socket.bind(0, from, () => {
    const begun = performance.now();
    // Timers may be late: no solicitation is left out.
    one.timer = setInterval(() => {
      const due = 1 + Math.floor((performance.now() - begun) / Number(everyMs));
      while (one.sentAt.length < due) {
        const number = one.sentAt.push(performance.now()) - 1;
        one.open.add(number);
        const bytes = Buffer.from(solicitation);
        bytes.writeUInt32BE(number, NONCE);
        socket.send(bytes, PORT, to, () => {});
      }
    }, Number(everyMs));
  });
  return one;
}

function finish() {
  const results = asked.map(({ to, sentAt, open, longestMs }) => ({
    to,
    sent: sentAt.length,
    lost: open.size,
    longestMs: Math.round(longestMs),
  }));
  process.stdout.write(`results ${JSON.stringify(results)}\n`, () => process.exit(0));
}
