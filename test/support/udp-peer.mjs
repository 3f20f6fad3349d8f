/**
 * A host that asks and answers over UDP, for probing NATs. `node udp-peer.mjs JSON`, with the sockets to open and the
 * questions to ask, one after another: `{ sockets: ['0.0.0.0:1'], questions: [{ from: 0, to: '192.0.2.1:2', also: 1 }] }`.
 * The answer to a question contains its source address and port. It is sent first from the socket `also`, if given, then from
 * the one that received the question. Prints `results` and, for each question, the address and port seen and whether the answer
 * of the other socket came, too. Continues to answer until it is ended.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const { sockets: names, questions = [] } = JSON.parse(process.argv[2]);
const sockets = await Promise.all(names.map(open));
process.stdout.write('listening\n');
const results = [];
for (const question of questions) results.push(await ask(question));
process.stdout.write(`results ${JSON.stringify(results)}\n`);

async function open(name) {
  const { address, port } = endpoint(name);
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    const message = JSON.parse(bytes.toString());
    if (message.seen !== undefined) return;
    const answer = JSON.stringify({ ...message, seen: `${from.address}:${from.port}` });
    if (message.also !== undefined) sockets[message.also].send(answer, from.port, from.address);
    socket.send(answer, from.port, from.address);
  });
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}

async function ask({ from, to, also }) {
  const { address, port } = endpoint(to);
  const socket = sockets[from];
  let other = false;
  const watch = (_, { address: a, port: p }) => {
    other ||= `${a}:${p}` !== to;
  };
  socket.on('message', watch);
  const seen = await answered(socket, address, port, { also });
  // By the time of this second answer, earlier datagrams have arrived.
  await answered(socket, address, port, {});
  socket.off('message', watch);
  return { seen, other };
}

async function answered(socket, address, port, message) {
  socket.send(JSON.stringify(message), port, address);
  for (;;) {
    const [bytes, from] = await once(socket, 'message');
    const { seen } = JSON.parse(bytes.toString());
    if (seen !== undefined && from.address === address && from.port === port) return seen;
  }
}

function endpoint(name) {
  const [address, port] = name.split(':');
  return { address, port: Number(port) };
}
