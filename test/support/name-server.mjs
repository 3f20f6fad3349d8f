/**
 * A DNS server: each name has the IPv4 address and the IPv6 address of its arguments. The third one is its own address, else 127.0.0.1. Names that begin with
 * "silent" get no answer.
 */
import { createSocket } from 'node:dgram';

const addresses = { 1: ipv4(process.argv[2]), 28: ipv6(process.argv[3]) };

const socket = createSocket('udp4');
socket.on('message', (question, { port, address }) => {
  const end = question.indexOf(0, 12) + 5;
  if (question.toString('latin1', 13, 19) === 'silent') return;
  const type = question.readUInt16BE(end - 4);
  socket.send(answerTo(question.subarray(0, end), addresses[type]), port, address);
});
socket.bind(53, process.argv[4] ?? '127.0.0.1', () => process.stdout.write('listening\n'));

/** RFC 1035 section 4.1 */
function answerTo(question, address) {
  const counts = [0, 1, 0, address === undefined ? 0 : 1, 0, 0, 0, 0];
  const header = Buffer.from([...question.subarray(0, 2), 0x81, 0x80, ...counts]);
  const record = [0xc0, 12, ...question.subarray(-4), 0, 0, 0, 60, 0, address?.length, ...(address ?? [])];
  return Buffer.concat([header, question.subarray(12), Buffer.from(address === undefined ? [] : record)]);
}

function ipv4(text) {
  return text.split('.').map(Number);
}

function ipv6(text) {
  const [head, tail] = text.split('::').map((half) => half.split(':').filter(Boolean));
  const groups = [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  return groups.flatMap((group) => [...Buffer.from(group.padStart(4, '0'), 'hex')]);
}
