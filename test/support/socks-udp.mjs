/**
 * A client of SOCKS5's UDP ASSOCIATE: `socks-udp.mjs PROXY-HOST PROXY-PORT HOST PORT LENGTH COUNT`. Sends COUNT datagrams of LENGTH octets, each after the
 * answer to the one before, and prints "answered N of COUNT from ADDRESS". HOST: an IPv4 or IPv6 address, or a name.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIP } from 'node:net';

const [proxyHost, proxyPort, host, port, length, count] = process.argv.slice(2);
const control = connect(Number(proxyPort), proxyHost);
await once(control, 'connect');
control.write(Uint8Array.of(5, 1, 0));
await octets(2);
control.write(Uint8Array.of(5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
const reply = await octets(10);
if (reply[1] !== 0) {
  console.log(`refused: ${reply[1]}`);
  process.exit(1);
}
const relay = { address: [...reply.subarray(4, 8)].join('.'), port: reply.readUInt16BE(8) };
const socket = createSocket('udp4');
socket.bind(0, '127.0.0.1');
await once(socket, 'listening');
const head = Buffer.concat([Buffer.from([0, 0, 0]), address(), Buffer.from([port >> 8, port & 0xff])]);
let [answered, from] = [0, ''];
for (let i = 0; i < Number(count); i++) {
  const payload = Buffer.alloc(Number(length), i);
  socket.send(Buffer.concat([head, payload]), relay.port, relay.address);
  const [answer] = await Promise.race([once(socket, 'message'), late()]);
  if (answer === undefined) continue;
  const size = answer[3] === 4 ? 16 : 4;
  if (answer.subarray(4 + size + 2).equals(payload)) answered++;
  from = answer.subarray(4, 4 + size).toString('hex');
}
console.log(`answered ${answered} of ${count} from ${from}`);
process.exit(0);

/** The next octets of the control connection, which come only as answers. */
async function octets(length) {
  let all = Buffer.alloc(0);
  while (all.length < length) all = Buffer.concat([all, (await once(control, 'data'))[0]]);
  return all;
}

function address() {
  const kind = isIP(host);
  if (kind === 4) return Buffer.from([1, ...host.split('.').map(Number)]);
  if (kind === 6) return Buffer.from([4, ...groups(host)]);
  return Buffer.from([3, host.length, ...Buffer.from(host)]);
}

function groups(text) {
  const [head, tail = ''] = text.split('::').map((half) => half.split(':').filter(Boolean));
  const all = [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  return all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
}

function late() {
  return new Promise((resolve) => setTimeout(resolve, 1_000, []));
}
