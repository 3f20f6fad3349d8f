import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { Memory, sys } from '../../linux/libc.ts';
import { AF_INET, SOCK_DGRAM, SOCK_NONBLOCK, openSocket } from '../../linux/socket.ts';
import { GuestResolver, placeOf } from './resolver.ts';

const LOOPBACK = 0x7f00_0001;
/** To connect to the broadcast address is refused (EACCES), as it is to a network without a route (ENETUNREACH). */
const NOT_ALLOWED = '255.255.255.255';
const QUESTION = Buffer.from('abcd01000001000000000000046e616d650000010001', 'hex');
const ANSWER = Buffer.from('abcd81800001000100000000', 'hex');

/** A socket on a free port of 127.0.0.1, as an agent passes it out. */
function passed(type: number): { fd: number; port: number } {
  const fd = openSocket(AF_INET, type | SOCK_NONBLOCK);
  const address = new Memory(16);
  address.view.setUint16(0, AF_INET, true);
  address.view.setUint32(4, LOOPBACK);
  sys.bind(fd, address.address, 16);
  if (type === 1) sys.listen(fd, 16);
  const size = new Memory(4);
  size.view.setUint32(0, 16, true);
  sys.getsockname(fd, address.address, size.address);
  return { fd, port: address.view.getUint16(2) };
}

/** A name server; `answer` undefined: it is silent. */
async function nameServer(answer: Buffer | undefined): Promise<{ place: string; asked: Buffer[] }> {
  const socket = createSocket('udp4');
  const asked: Buffer[] = [];
  socket.on('message', (question, from) => {
    asked.push(question);
    if (answer !== undefined) socket.send(answer, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return { place: `127.0.0.1:${socket.address().port}`, asked };
}

/** The resolver of a guest, and a program there that asks. */
function resolving(servers: readonly string[]): { ask: () => Promise<Buffer>; socket: Socket; port: number } {
  const { fd, port } = passed(SOCK_DGRAM);
  const resolver = new GuestResolver({ descriptors: { dns: fd } }, servers);
  const socket = createSocket('udp4');
  onTestFinished(() => {
    resolver.close();
    socket.close();
  });
  const ask = async (): Promise<Buffer> => {
    socket.send(QUESTION, port, '127.0.0.1');
    return ((await once(socket, 'message')) as [Buffer])[0];
  };
  return { ask, socket, port };
}

describe('a question', () => {
  test('goes unread to the first server, and its answer back', async () => {
    const server = await nameServer(ANSWER);
    expect(await resolving([server.place]).ask()).toEqual(ANSWER);
    expect(server.asked).toEqual([QUESTION]);
  });

  test('goes to the next server when the first is silent', async () => {
    const [silent, server] = [await nameServer(undefined), await nameServer(ANSWER)];
    expect(await resolving([silent.place, server.place]).ask()).toEqual(ANSWER);
    expect(silent.asked).toHaveLength(1);
  });

  test('gets SERVFAIL when no server answers, and when there is none', async () => {
    const answer = await resolving([]).ask();
    expect(answer.readUInt16BE(0)).toBe(0xabcd);
    expect([answer[2]! & 0x80, answer[3]! & 0x0f]).toEqual([0x80, 2]);
  });

  test('an answer of another question is not taken', async () => {
    const wrong = Buffer.from(ANSWER);
    wrong.writeUInt16BE(0x1234);
    const [false_, server] = [await nameServer(wrong), await nameServer(ANSWER)];
    expect(await resolving([false_.place, server.place]).ask()).toEqual(ANSWER);
  });

  test.for([0, 1, 11])('an answer of %i octets is none', async (length) => {
    const [short, server] = [await nameServer(ANSWER.subarray(0, length)), await nameServer(ANSWER)];
    expect(await resolving([short.place, server.place]).ask()).toEqual(ANSWER);
  });

  test('goes to the next server when the system does not let it go to the first', async () => {
    const server = await nameServer(ANSWER);
    expect(await resolving([NOT_ALLOWED, server.place]).ask()).toEqual(ANSWER);
  });

  test('of hundreds at once, 256 are asked', async () => {
    const silent = await nameServer(undefined);
    const { socket, port } = resolving([silent.place]);
    for (let i = 0; i < 400; i++) socket.send(QUESTION, port, '127.0.0.1');
    await eventually(() => expect(silent.asked.length).toBe(256));
  });
});

test('over TCP, octets pass both ways', async () => {
  const upstream = createServer((socket) =>
    socket.once('data', (data) => socket.end(`<${data.toString()}>`)),
  );
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const { fd, port } = passed(1);
  const resolver = new GuestResolver({ descriptors: { dnsTcp: fd } }, [
    `127.0.0.1:${(upstream.address() as AddressInfo).port}`,
  ]);
  onTestFinished(() => {
    resolver.close();
    upstream.close();
  });
  const socket = connect(port, '127.0.0.1');
  socket.write('question');
  expect(((await once(socket, 'data')) as [Buffer])[0].toString()).toBe('<question>');
  socket.destroy();
});

test.for([
  ['192.0.2.1', '192.0.2.1', 53],
  ['192.0.2.1:5353', '192.0.2.1', 5353],
  ['2001:db8::1', '2001:db8::1', 53],
  ['[2001:db8::1]:54', '2001:db8::1', 54],
] as const)('the place of server %s', ([text, host, port]) => {
  expect(placeOf(text)).toEqual({ host, port });
});
