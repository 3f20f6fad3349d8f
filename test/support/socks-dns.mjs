/** Asks a name server by SOCKS5's UDP ASSOCIATE: `socks-dns.mjs PROXY-HOST PROXY-PORT SERVER NAME`. Prints the IPv4 address of the name. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { associate, headOf, payloadOf } from './socks-association.mjs';

const [proxyHost, proxyPort, server, name] = process.argv.slice(2);
const relay = await associate(proxyHost, proxyPort);
const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
// RFC 1035 section 4.1: recursion desired, one question, of type A and class IN.
const question = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
const socket = createSocket('udp4').bind(0, '127.0.0.1');
socket.send(Buffer.concat([headOf(server, 53), question]), relay.port, relay.address);
const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(5_000) });
const payload = payloadOf(answer);
const isAnswer =
  payload.readUInt16BE(0) === 0x1234 && (payload[3] & 15) === 0 && payload.readUInt16BE(6) === 1;
console.log(isAnswer ? [...payload.subarray(-4)].join('.') : payload.toString('hex'));
process.exit(0);
