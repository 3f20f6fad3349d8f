/**
 * A client of SOCKS5's UDP ASSOCIATE, run by root, beside a user that sends to the same association: `udp-stranger.mjs PROXY-HOST PROXY-PORT HOST PORT USER`. At
 * HOST and PORT is an echo server. Prints the answers to the user and to root.
 */
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { associate, headOf, payloadOf } from './socks-association.mjs';

const [proxyHost, proxyPort, host, port, user] = process.argv.slice(2);
/** Sends a datagram, waits for an answer, and prints that it has come. */
const STRANGER = `
const s = require('dgram').createSocket('udp4').on('message', () => console.log('answer')).bind(0, '127.0.0.1');
s.send(Buffer.from(process.argv[1], 'hex'), Number(process.argv[2]), '127.0.0.1');
setTimeout(() => process.exit(0), 500);`;

const relay = await associate(proxyHost, proxyPort);
const datagramOf = (words) => Buffer.concat([headOf(host, port), Buffer.from(words)]);
const socket = createSocket('udp4').bind(0, '127.0.0.1');
for (const round of [1, 2]) {
  const words = ['-e', STRANGER, datagramOf('stranger').toString('hex'), String(relay.port)];
  const { stdout } = spawnSync(process.execPath, words, { uid: Number(user), gid: Number(user) });
  console.log(`stranger ${round}: ${stdout.toString().trim() || 'nothing'}`);
  socket.send(datagramOf(`owner ${round}`), relay.port, relay.address);
  const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(5_000) });
  console.log(`owner ${round}: ${payloadOf(answer)}`);
}
process.exit(0);
