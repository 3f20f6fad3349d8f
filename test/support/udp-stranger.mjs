/**
 * A client of SOCKS5's UDP ASSOCIATE, run by root, beside a user that sends to the same association: `udp-stranger.mjs PROXY-HOST PROXY-PORT HEAD USER`. HEAD: the
 * head of a datagram to an echo server, as hexadecimal digits (RFC 1928 section 7). Prints the answers of root and of the user.
 */
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';

const [proxyHost, proxyPort, head, user] = process.argv.slice(2);
/** Sends a datagram, waits for an answer, and prints it. */
const STRANGER = `
const s = require('dgram').createSocket('udp4').on('message', (m) => console.log('answer')).bind(0, '127.0.0.1');
s.send(Buffer.concat([Buffer.from(process.argv[1], 'hex'), Buffer.from('stranger')]), Number(process.argv[2]), '127.0.0.1');
setTimeout(() => process.exit(0), 500);`;

const control = connect(Number(proxyPort), proxyHost);
control.write(Uint8Array.of(5, 1, 0));
await octets(2);
control.write(Uint8Array.of(5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
const port = (await octets(10)).readUInt16BE(8);
const socket = createSocket('udp4').bind(0, '127.0.0.1');
for (const round of [1, 2]) {
  const words = ['-e', STRANGER, head, String(port)];
  const { stdout } = spawnSync(process.execPath, words, { uid: Number(user), gid: Number(user) });
  console.log(`stranger ${round}: ${stdout.toString().trim() || 'nothing'}`);
  socket.send(Buffer.concat([Buffer.from(head, 'hex'), Buffer.from(`owner ${round}`)]), port, '127.0.0.1');
  const [answer] = await once(socket, 'message');
  console.log(`owner ${round}: ${answer.subarray(head.length / 2)}`);
}
process.exit(0);

async function octets(length) {
  let all = Buffer.alloc(0);
  while (all.length < length) all = Buffer.concat([all, (await once(control, 'data'))[0]]);
  return all;
}
