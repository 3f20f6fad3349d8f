/**
 * A host that sends a numbered datagram every 10 ms and prints each that arrives, as `[seconds] seq=NUMBER`, by the clock of `Date.now()`.
 * `node steady-datagrams.mjs ADDRESS PORT`: the port of both sides. It continues while datagrams cannot be sent.
 */
import { createSocket } from 'node:dgram';

const EVERY_MS = 10;

const [, , address, port] = process.argv;
const socket = createSocket('udp6');
socket.on('message', (bytes) =>
  process.stdout.write(`[${(Date.now() / 1000).toFixed(3)}] seq=${bytes.toString()}\n`),
);
socket.bind(Number(port), '::', () => {
  const begun = performance.now();
  let sent = 0;
  setInterval(() => {
    for (; sent < (performance.now() - begun) / EVERY_MS; sent++)
      socket.send(String(sent), Number(port), address, () => {});
  }, EVERY_MS);
});
