/** Sends one datagram ten times a second, `node ask.mjs FROM TO PORT HEX`, and prints "answer" for each answer. */
import dgram from 'node:dgram';

const [from, to, port, hex] = process.argv.slice(2);
const payload = Buffer.from(hex, 'hex');
const socket = dgram.createSocket('udp4');
socket.on('message', () => console.log('answer'));
socket.on('error', () => {}); // an ICMP error is no answer
socket.bind(0, from, () => setInterval(() => socket.send(payload, Number(port), to, () => {}), 100));
