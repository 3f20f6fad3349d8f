/**
 * Sends UDP datagrams at a given rate, or as fast as it can, and prints the answers. Its order is a JSON file: { from, port, to, toPort,
 * payloads: [hex], count, perSecond, vary: [[offset, length]], wanted }. Payloads are sent in turn; `vary` overwrites the given parts of
 * each with random octets; `from` and `to` may be several addresses, used in turn. It ends when everything is sent and `wanted` answers
 * have come, or none has come for a long time.
 */
import { randomFillSync } from 'node:crypto';
import dgram from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const IN_FLIGHT = 256;
const KEPT_ANSWERS = 100;
const PATIENCE_MS = 10_000;

const order = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const targets = [order.to].flat();
const payloads = order.payloads.map((hex) => Buffer.from(hex, 'hex'));
const { count = payloads.length, perSecond = Infinity, vary, wanted = 0 } = order;

// Skips the lookup: addresses are literal, and resolving each would be the slowest part.
const family = targets[0].includes(':') ? 6 : 4;
const lookup = (address, _options, callback) => callback(null, address, family);
const answers = [];
let heard = 0;
let onAnswer = () => {};
const sockets = await Promise.all([order.from].flat().map(open));

let failed = 0;
const begun = performance.now();
for (let sent = 0; sent < count;) {
  const allowed = Math.floor(((performance.now() - begun) / 1000) * perSecond) + 1 - sent;
  if (allowed <= 0) {
    await sleep(1);
    continue;
  }
  const burst = Math.min(IN_FLIGHT, count - sent, allowed);
  await new Promise((resolve) => {
    let left = burst;
    const done = (error) => {
      if (error) failed++;
      if (--left === 0) resolve();
    };
    for (let i = 0; i < burst; i++, sent++) {
      const payload = vary === undefined ? payloads[sent % payloads.length] : varied(sent % payloads.length);
      sockets[sent % sockets.length].send(payload, order.toPort, targets[sent % targets.length], done);
    }
  });
}
const seconds = (performance.now() - begun) / 1000;
if (heard < wanted) {
  await new Promise((resolve) => {
    const giveUp = setTimeout(resolve, PATIENCE_MS);
    onAnswer = () => {
      if (heard < wanted) return;
      clearTimeout(giveUp);
      resolve();
    };
  });
}
console.log(`done ${JSON.stringify({ sent: count, failed, seconds, heard, answers })}`);
for (const socket of sockets) socket.close();

function varied(kind) {
  const [offset, length] = vary[kind];
  return randomFillSync(Buffer.from(payloads[kind]), offset, length);
}

async function open(from) {
  const socket = dgram.createSocket({ type: family === 6 ? 'udp6' : 'udp4', lookup });
  socket.on('message', (message) => {
    heard++;
    if (answers.length < KEPT_ANSWERS) answers.push(message.toString('hex'));
    onAnswer();
  });
  await new Promise((resolve) => socket.bind(order.port ?? 0, from, resolve));
  return socket;
}
