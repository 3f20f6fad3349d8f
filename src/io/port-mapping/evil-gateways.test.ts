/** Hosts that answer a search and then misbehave over HTTP. Each request ends in time, and nothing else is requested. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { FakeGateway, describeService, portOf, searchAnswer } from '../../../test/support/fake-gateway.ts';
import { ADDRESS, PORT, mapperOf } from '../../../test/support/gateway-answers.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { stopwatch } from '../../../test/support/stopwatch.ts';
import { KernelPortMapper } from './kernel-port-mapper.ts';
import { mayAskAt } from './http-ports.ts';
import { MappingFile } from './mapping-file.ts';
import type { Protocol } from './protocol.ts';
import { Upnp } from './upnp.ts';
import { askHttp } from './http.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const every = (socket: Socket, text: string): void => {
  const timer = setInterval(() => socket.write(text), 10);
  socket.on('close', () => clearInterval(timer));
};
const without = (socket: Socket, text: string): void => {
  const more = (): void => {
    while (!socket.destroyed && socket.write(text));
  };
  socket.on('drain', more);
  more();
};

/** The host's reaction to a request. */
const EVIL: Readonly<Record<string, (socket: Socket) => void>> = {
  'switching protocols': (socket) =>
    void socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\nxxxx'),
  'switching protocols without a header': (socket) => void socket.write('HTTP/1.1 101 X\r\n\r\n'),
  'switching protocols, and the end': (socket) =>
    void socket.end('HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\n'),
  'interim answers without an end': (socket) => without(socket, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(500)),
  'processing without an end': (socket) => every(socket, 'HTTP/1.1 102 Processing\r\n\r\n'),
  'early hints without an end': (socket) => every(socket, 'HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n'),
  'a header that trickles': (socket) => {
    socket.write(OK);
    every(socket, 'X: y\r\n');
  },
  'a header without an end': (socket) => {
    socket.write(OK);
    without(socket, `X: ${'y'.repeat(1_000)}\r\n`);
  },
  'a body that trickles': (socket) => {
    socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n`);
    every(socket, '1\r\nx\r\n');
  },
  'a body without an end': (socket) => {
    socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n`);
    without(socket, `1000\r\n${'x'.repeat(4_096)}\r\n`);
  },
  'a chunk extension without an end': (socket) => {
    socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n1;`);
    without(socket, 'a'.repeat(4_096));
  },
  'trailers that trickle': (socket) => {
    socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n`);
    every(socket, 'X: y\r\n');
  },
  'a body that stops halfway': (socket) => void socket.write(`${OK}Content-Length: 100\r\n\r\nxx`),
  'a body that is cut off': (socket) => void socket.end(`${OK}Content-Length: 100\r\n\r\nxx`),
  'a reset': (socket) => void socket.resetAndDestroy(),
  'no HTTP': (socket) => void socket.write('SSH-2.0-OpenSSH_9.2\r\n'),
  silence: () => undefined,
};

async function evilServer(
  gateway: FakeGateway,
  evil: (socket: Socket, request: string) => void,
): Promise<Server & Disposable> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (request) => evil(socket, request.toString()));
  });
  server.listen(0, gateway.address);
  await once(server, 'listening');
  return Object.assign(server, {
    [Symbol.dispose]: () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  });
}

describe.concurrent.for(Object.keys(EVIL))('%s', (name) => {
  test('is not an answer, and the wait for it is limited', async () => {
    await using gateway = new FakeGateway();
    using server = await evilServer(gateway, EVIL[name]!);
    const { port } = server.address() as AddressInfo;
    const watch = stopwatch();
    expect(await askHttp(new URL(`http://${gateway.address}:${port}/`), gateway.hasty)).toBe('silent');
    expect(watch()).toBeLessThan(1_000);
  });

  test('is not an answer to a request to map the port, and does not delay the end', async () => {
    await using gateway = new FakeGateway();
    let requests = 0;
    using server = await evilServer(gateway, (socket, request) => {
      requests++;
      if (request.startsWith('GET')) socket.end(`${OK}\r\n${describeService('/control')}`);
      else EVIL[name]!(socket);
    });
    const { port } = server.address() as AddressInfo;
    await gateway.answerSearch(() => searchAnswer(`http://${gateway.address}:${port}/description`));
    const mapper = mapperOf(gateway, undefined, gateway.hasty);
    const mapped = mapper.map();
    await eventually(() => expect(requests).toBeGreaterThan(1));
    const watch = stopwatch();
    await mapper.release();
    expect(await mapped).toBeUndefined();
    expect(watch()).toBeLessThan(1_500);
  });
});

test('a request whose signal is already aborted is not sent', async () => {
  await using gateway = new FakeGateway();
  const server = await gateway.serve(() => [200, '']);
  const url = new URL(`http://${gateway.address}:${portOf(server)}/`);
  expect(await askHttp(url, gateway.way, { signal: AbortSignal.abort() })).toBe('silent');
  expect(gateway.paths).toEqual([]);
});

test('a protocol that never settles delays neither the others nor the end', async () => {
  const never = new Promise<never>(() => undefined);
  const mute: Protocol = {
    name: 'upnp',
    asked: never,
    made: { protocol: 'upnp', port: PORT },
    find: () => never,
    offer: () => never,
    map: () => never,
    release: () => never,
    hasForgotten: () => false,
  };
  const mapper = new KernelPortMapper([mute], new MappingFile(undefined));
  const watch = stopwatch();
  const mapped = mapper.map();
  await mapper.release();
  expect(await mapped).toBeUndefined();
  expect(await mapper.asked).toBe(false);
  expect(watch()).toBeLessThan(6_000);
}, 10_000);

describe('requests go to', () => {
  async function isFound(gateway: FakeGateway, location: string): Promise<boolean> {
    await using _ = await answersSearch(gateway, location);
    return await new Upnp(gateway.hasty, PORT, [], new AbortController().signal).find();
  }

  test('no well-known service of the host that answers, whatever its answer says', async () => {
    const asked: number[] = [];
    const isAsked = async (port: number, shown = `:${port}`): Promise<void> => {
      await using gateway = new FakeGateway();
      const service = createServer((socket) => {
        asked.push(port);
        socket.destroy();
      });
      service.listen(port, gateway.address);
      await once(service, 'listening');
      const location = `http://${gateway.address}${shown}/description`;
      expect(await isFound(gateway, location), location).toBe(false);
      service.close();
    };
    const services = [22, 25, 53, 80, 443, 1023, 6379, 9100];
    await Promise.all([...services.map((port) => isAsked(port)), isAsked(80, '')]);
    expect(asked).toEqual([]);
  });

  test('no other port than that of the description', async () => {
    await using gateway = new FakeGateway();
    const elsewhere = await gateway.serve(() => [200, ADDRESS]);
    const description = await gateway.serve(() => [
      200,
      describeService(`http://${gateway.address}:${portOf(elsewhere)}/control`),
    ]);
    const location = `http://${gateway.address}:${portOf(description)}/description`;
    expect(await isFound(gateway, location)).toBe(false);
    expect(gateway.paths).toEqual(['/description']);
  });

  test('the ports at which gateways are found', () => {
    for (const port of [
      1900, 2048, 2555, 2869, 5000, 5431, 8080, 8888, 16422, 37215, 49000, 49152, 52869, 65535,
    ])
      expect(mayAskAt(port), String(port)).toBe(true);
    for (const port of [0, 1, 22, 80, 443, 631, 1023, 2375, 3306, 5432, 6000, 6379, 6667, 9100, 11211, 65536])
      expect(mayAskAt(port), String(port)).toBe(false);
  });
});

async function answersSearch(gateway: FakeGateway, location: string): Promise<AsyncDisposable> {
  const socket = createSocket('udp4');
  socket.on('message', (_, from) => socket.send(searchAnswer(location), from.port, from.address));
  socket.bind(1900, gateway.address);
  await once(socket, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}
