/**
 * A client of SOCKS5's UDP ASSOCIATE: `socks-udp.mjs PROXY-HOST PROXY-PORT HOST PORT LENGTH COUNT`. Sends COUNT datagrams of LENGTH octets, each after the
 * answer to the one before, and prints "answered N of COUNT from ADDRESS". HOST: an IPv4 or IPv6 address, or a name.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { associate, headOf, payloadOf } from './socks-association.mjs';

const [proxyHost, proxyPort, host, port, length, count] = process.argv.slice(2);
const relay = await associate(proxyHost, proxyPort);
const socket = createSocket('udp4');
socket.bind(0, '127.0.0.1');
await once(socket, 'listening');
const head = headOf(host, port);
let [answered, from] = [0, ''];
for (let i = 0; i < Number(count); i++) {
  const payload = Buffer.alloc(Number(length), i);
  socket.send(Buffer.concat([head, payload]), relay.port, relay.address);
  const [answer] = await Promise.race([once(socket, 'message'), late()]);
  if (answer === undefined) continue;
  if (payloadOf(answer).equals(payload)) answered++;
  from = answer.subarray(4, answer.length - payloadOf(answer).length - 2).toString('hex');
}
console.log(`answered ${answered} of ${count} from ${from}`);
process.exit(0);

function late() {
  return new Promise((resolve) => setTimeout(resolve, 1_000, []));
}
