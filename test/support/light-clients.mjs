/**
 * Many Teredo clients in one process: `node light-clients.mjs JSON`, with `{ count, address, server, native, everyMs, apartMs, thinkMs }`. Each
 * has a port of the host's address, and pings the native host, as a client does that knows no relay yet: through the server until the relay
 * has answered, then through the relay. `everyMs`: the time between two pings of one client; `apartMs`: between the first pings of two
 * clients; `thinkMs`: between a bubble and its answer. Prints `answered NUMBER` for each client that has its first answer. At SIGTERM it
 * stops sending, and prints the losses as JSON.
 */
import { createSocket } from 'node:dgram';
import {
  DESTINATION,
  DatagramView,
  ICMPV6,
  IPV6_HEADER,
  SOURCE,
  buildBubble,
  buildEchoRequest,
  decodeDatagram,
  formatIpv4,
  icmpv6Type,
  isBubble,
  makeTeredoAddress,
  parseIpv4,
  parseIpv6,
  readUint16,
  sealIcmpv6,
  writeUint16,
} from '../../dist/wire/index.js';

const FIRST_PORT = 20_000;
const HOP_LIMIT = 64;
/** Until a client whose first ping was lost sends it again. RFC 4380 section 5.2.9 */
const AGAIN_MS = 2_000;
/** Answers that come later than this count as lost. */
const LATE_MS = 1_000;
const SEQUENCE = IPV6_HEADER + 6;

const { count, address, server, native, everyMs, apartMs = 0, thinkMs = 0 } = JSON.parse(process.argv[2]);
const destination = parseIpv6(native);
const view = new DatagramView();
const clients = Array.from({ length: count }, (_, i) => openClient(i));
let answered = 0;
const begun = performance.now();
const timer = setInterval(() => clients.forEach(act), everyMs);
process.on('SIGTERM', () => {
  clearInterval(timer);
  setTimeout(finish, LATE_MS);
});

function openClient(number) {
  const port = FIRST_PORT + number;
  const own = makeTeredoAddress({
    server: parseIpv4(server),
    flags: 0,
    mappedAddress: parseIpv4(address),
    mappedPort: port,
  });
  const client = {
    own,
    socket: createSocket('udp4'),
    ping: buildEchoRequest({
      source: own,
      destination,
      hopLimit: HOP_LIMIT,
      identifier: number,
      sequence: 0,
      data: new Uint8Array(32),
    }),
    relay: undefined,
    beginsAfter: number * apartMs,
    firstAskedAt: undefined,
    askedAt: -Infinity,
    sent: 0,
    answered: new Set(),
    lastAt: 0,
    longestPauseMs: 0,
  };
  client.socket.on('message', (bytes, from) => receive(client, bytes, from));
  client.socket.bind(port, address);
  return client;
}

function act(client) {
  const now = performance.now();
  if (client.answered.size === 0) {
    if (now - begun < client.beginsAfter || now - client.askedAt < AGAIN_MS) return;
    client.askedAt = now;
    client.firstAskedAt ??= now;
    send(client, { port: 3544, address: server });
    return;
  }
  // Timers may be late: no ping is left out.
  const due = Math.floor((now - client.begunAt) / everyMs);
  while (client.sent < due) send(client, client.relay);
}

function send(client, to) {
  writeUint16(client.ping, SEQUENCE, client.sent++ & 0xffff);
  sealIcmpv6(client.ping, 0);
  client.socket.send(Uint8Array.from(client.ping), to.port, to.address, () => {});
}

function receive(client, bytes, from) {
  if (decodeDatagram(bytes, 0, bytes.length, view) !== undefined) return;
  const at = view.ipv6Start;
  const source = bytes.subarray(at + SOURCE, at + SOURCE + 16);
  if (isBubble(bytes, at)) {
    const relay = view.hasOrigin ? { port: view.originPort, address: formatIpv4(view.originAddress) } : from;
    const answer = buildBubble(client.own, source, HOP_LIMIT);
    setTimeout(() => client.socket.send(answer, relay.port, relay.address, () => {}), thinkMs);
  } else handleEcho(client, bytes, at, from);
}

function handleEcho(client, bytes, at, from) {
  if (icmpv6Type(bytes, at) === ICMPV6.ECHO_REQUEST) {
    const answer = Uint8Array.from(bytes.subarray(at));
    answer.set(bytes.subarray(at + DESTINATION, at + DESTINATION + 16), SOURCE);
    answer.set(bytes.subarray(at + SOURCE, at + SOURCE + 16), DESTINATION);
    answer[IPV6_HEADER] = ICMPV6.ECHO_REPLY;
    sealIcmpv6(answer, 0);
    client.socket.send(answer, from.port, from.address, () => {});
  } else if (icmpv6Type(bytes, at) === ICMPV6.ECHO_REPLY) {
    const now = performance.now();
    if (client.answered.size === 0) {
      client.relay = { port: from.port, address: from.address };
      client.firstMs = now - client.firstAskedAt;
      process.stdout.write(`answered ${++answered}\n`);
      client.begunAt = now;
      client.lastAt = now;
      client.sent = 0;
      client.answered.add(-1);
      return;
    }
    client.longestPauseMs = Math.max(client.longestPauseMs, now - client.lastAt);
    client.lastAt = now;
    client.answered.add(readUint16(bytes, at + SEQUENCE));
  }
}

function finish() {
  const lost = clients.map(({ sent, answered }) => sent + 1 - answered.size);
  const result = {
    sent: clients.reduce((sum, { sent }) => sum + sent, 0),
    lost: lost.reduce((sum, one) => sum + one, 0),
    mostLost: Math.max(...lost),
    longestPauseMs: Math.round(Math.max(...clients.map(({ longestPauseMs }) => longestPauseMs))),
    slowestFirstMs: Math.round(Math.max(...clients.map(({ firstMs }) => firstMs ?? Infinity))),
  };
  process.stdout.write(`losses ${JSON.stringify(result)}\n`, () => process.exit(0));
}
