/** A UDP association with a proxy, by SOCKS5 without a password. RFC 1928 */
import { once } from 'node:events';
import { connect, isIP } from 'node:net';

/** Returns the place for datagrams. The association ends with this process. */
export async function associate(proxyHost, proxyPort) {
  const control = connect(Number(proxyPort), proxyHost);
  await once(control, 'connect');
  control.write(Uint8Array.of(5, 1, 0));
  await octets(control, 2);
  control.write(Uint8Array.of(5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
  const reply = await octets(control, 10);
  if (reply[1] !== 0) {
    console.log(`refused: ${reply[1]}`);
    process.exit(1);
  }
  return { address: [...reply.subarray(4, 8)].join('.'), port: reply.readUInt16BE(8) };
}

/** The head of a datagram to a host: an IPv4 or IPv6 address, or a name. RFC 1928 section 7 */
export function headOf(host, port) {
  return Buffer.concat([Buffer.from([0, 0, 0]), address(host), Buffer.from([port >> 8, port & 0xff])]);
}

/** The octets behind the head of an answer. */
export function payloadOf(answer) {
  return answer.subarray(4 + (answer[3] === 4 ? 16 : 4) + 2);
}

/** The next octets of the control connection, which come only as answers. */
async function octets(control, length) {
  let all = Buffer.alloc(0);
  while (all.length < length) all = Buffer.concat([all, (await once(control, 'data'))[0]]);
  return all;
}

function address(host) {
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
