import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { proxyPlaceOf } from '../../runtime/settings/proxy-place.ts';
import { RequiredCredentials } from './credentials.ts';
import { Dialer } from './dialer.ts';
import { anywhere } from '../../../test/support/destinations.ts';
import { ProxyListener } from './listener.ts';
import { ProxyServer } from './proxy-server.ts';
import type { ProxyParts } from './serve-client.ts';
import { Resolver } from './resolver.ts';

const NO_UDP = { associate: async (): Promise<void> => {} };

afterEach(() => void vi.useRealTimers());

function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** A target on this host, which stands for the Internet. */
async function targetOf(serve: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) =>
    serve(socket.on('error', () => {})),
  );
  onTestFinished(() => void server.close());
  await once(server.listen(0, '::1'), 'listening');
  return (server.address() as AddressInfo).port;
}

/** A proxy whose guest is this host; its port. */
async function proxyOf(
  options: {
    most?: number;
    open?: (port: number) => Socket;
    required?: RequiredCredentials;
    udp?: ProxyParts['udp'];
  } = {},
): Promise<number> {
  const { required } = options;
  const open = options.open ?? ((port: number) => connect({ host: '::1', port, allowHalfOpen: true }));
  const dialer = new Dialer(
    { connect: (_, port) => open(port) },
    new Resolver({ ipv6Only: true }),
    anywhere(),
  );
  const listener = await ProxyListener.open(proxyPlaceOf('127.0.0.1:0'), required !== undefined);
  const server = new ProxyServer(listener, { required, dialer, udp: options.udp ?? NO_UDP }, options.most);
  onTestFinished(() => server.close());
  return listener.port!;
}

/** A client that has been connected to the target by SOCKS5. */
async function connected(proxy: number, target: number): Promise<Socket> {
  const client = clientOf(proxy, true);
  client.write(Uint8Array.of(5, 1, 0, ...requestOf(target)));
  await received(client, 2 + 22);
  return client;
}

function clientOf(proxy: number, allowHalfOpen = false): Socket {
  const client = connect({ port: proxy, host: '127.0.0.1', allowHalfOpen });
  onTestFinished(() => void client.destroy());
  return client.on('error', () => {});
}

/** CONNECT to an address of the Internet. */
function requestOf(port: number): readonly number[] {
  const address = [0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0), 1];
  return [5, 1, 0, 4, ...address, port >> 8, port & 0xff];
}

/** The next octets, and no more. */
async function received(client: Socket, length: number): Promise<Buffer> {
  let octets = Buffer.alloc(0);
  while (octets.length < length) {
    const [piece] = (await once(client.resume(), 'data')) as [Buffer];
    client.pause();
    octets = Buffer.concat([octets, piece]);
  }
  if (octets.length > length) client.unshift(octets.subarray(length));
  return octets.subarray(0, length);
}

/** All further octets, up to the end of this direction. */
async function all(client: Socket): Promise<string> {
  let text = '';
  client.resume().on('data', (octets: Buffer) => (text += octets.toString('latin1')));
  await once(client, 'end');
  return text;
}

test('a client that has sent all still gets the whole answer', async () => {
  const target = await targetOf((socket) => {
    let length = 0;
    socket.on('data', (octets) => (length += octets.length));
    socket.on('end', () => socket.end(`${length} `.repeat(100_000)));
  });
  const client = await connected(await proxyOf(), target);
  client.end(Buffer.alloc(1_000_000));
  expect(await all(client)).toBe('1000000 '.repeat(100_000));
});

test('a target that has sent all still gets the rest', async () => {
  let got = 0;
  const ended = withResolvers<void>();
  const target = await targetOf((socket) => {
    socket
      .end('bye')
      .on('data', (octets) => (got += octets.length))
      .on('end', () => ended.resolve());
  });
  const client = await connected(await proxyOf(), target);
  expect(await all(client)).toBe('bye');
  client.end(Buffer.alloc(500_000));
  await ended.promise;
  expect(got).toBe(500_000);
});

test.for(['client', 'target'])(
  'when the %s dies, the other end is broken, and not merely at its end',
  async (victim) => {
    const arrived = withResolvers<Socket>();
    const target = await targetOf((socket) => arrived.resolve(socket));
    const client = await connected(await proxyOf(), target);
    const far = await arrived.promise;
    const [dies, other] = victim === 'client' ? [client, far] : [far, client];
    const broken = new Promise<NodeJS.ErrnoException>((resolve) => other.resume().on('error', resolve));
    dies.resetAndDestroy();
    expect((await broken).code).toBe('ECONNRESET');
  },
);

test('a slow reader slows the writer down', async () => {
  let sent = 0;
  const target = await targetOf((socket) => {
    const more = (): void => {
      while (socket.write(Buffer.alloc(65_536))) sent += 65_536;
    };
    socket.on('drain', more);
    more();
  });
  const client = await connected(await proxyOf(), target);
  let before = -1;
  await eventually(
    () => {
      const stands = sent === before;
      before = sent;
      expect(stands).toBe(true);
    },
    { interval: 200 },
  );
  expect(process.memoryUsage().external).toBeLessThan(100 << 20);
  expect(client.destroyed).toBe(false);
});

test.for([
  ['nothing', ''],
  ['half of a greeting', '\x05\x02'],
  ['a head without end', 'CONNECT a'],
])('%s: the connection ends after 10 s', async ([, octets]) => {
  const proxy = await proxyOf();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const client = clientOf(proxy);
  client.write(Buffer.from(octets!, 'latin1'));
  await once(client, 'connect');
  const closed = once(client.resume(), 'close');
  // The proxy has accepted the connection by then: another one is served.
  const second = clientOf(proxy);
  second.write(Uint8Array.of(5, 1, 0));
  let isServed = false;
  void received(second, 2).then(() => (isServed = true));
  await eventually(() => {
    vi.advanceTimersByTime(0); // after a long turn the proxy accepts further clients by a timer
    expect(isServed).toBe(true);
  });
  vi.advanceTimersByTime(9_999);
  expect(client.closed).toBe(false);
  vi.advanceTimersByTime(1);
  await closed;
});

test('a flood of clients that are not served: other work gets four fifths of the time', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let [now, accepted] = [0, 0];
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  onTestFinished(() => clock.mockRestore());
  const flood = (): 'refused' => {
    now += 0.125; // the work of one
    accepted++;
    return 'refused';
  };
  const listener = { accept: flood, wait: () => {}, close: () => {} };
  const dialer = { dial: async () => ({ failure: 'failed' }) as const };
  const server = new ProxyServer(listener, { required: undefined, dialer, udp: NO_UDP });
  onTestFinished(() => server.close());
  expect(accepted).toBe(40); // 5 ms
  vi.advanceTimersByTime(19);
  expect(accepted).toBe(40);
  vi.advanceTimersByTime(1);
  expect(accepted).toBe(80);
});

test('a head that is too long is refused before it ends', async () => {
  const client = clientOf(await proxyOf());
  client.write(`CONNECT a:1 HTTP/1.1\r\nA: ${'a'.repeat(1 << 20)}`);
  expect(await all(client)).toMatch(/^HTTP\/1.1 431 /);
});

test('many wrong passwords: the source is not heard any more, even with the right one', async () => {
  const proxy = await proxyOf({ required: new RequiredCredentials('anna', 'secret') });
  /** The status of the answer to a password. RFC 1929 section 2 */
  const status = async (password: string): Promise<number> => {
    const client = clientOf(proxy);
    client.write(
      Uint8Array.of(5, 1, 2, 1, 4, ...Buffer.from('anna'), password.length, ...Buffer.from(password)),
    );
    return (await received(client, 4))[3]!;
  };
  expect(await status('secret')).toBe(0);
  const wrong = await Promise.all(Array.from({ length: 64 }, () => status('wrong')));
  expect(new Set(wrong)).toEqual(new Set([1]));
  expect(await status('secret')).toBe(1);
});

test('when the proxy is full, a further connection of the same user is refused; when one has ended, one is served', async () => {
  const target = await targetOf((socket) => socket.resume());
  const proxy = await proxyOf({ most: 2 });
  const clients = [await connected(proxy, target), await connected(proxy, target)];
  const refused = clientOf(proxy);
  await once(refused.resume(), 'close');
  clients[0]!.resetAndDestroy();
  await eventually(async () => {
    const next = clientOf(proxy);
    next.write(Uint8Array.of(5, 1, 0));
    const closed = once(next, 'close').then(() => undefined);
    expect(await Promise.race([received(next, 2), closed])).toBeDefined();
  });
});

test.for([
  ['EMFILE', 1],
  ['ECONNREFUSED', 5],
  ['ENETUNREACH', 3],
  ['EHOSTUNREACH', 4],
])('the system refuses a socket with %s: an answer, and the proxy stays', async ([code, reply]) => {
  let refusals = 1;
  const target = await targetOf((socket) => socket.end('here'));
  const open = (port: number): Socket => {
    if (refusals-- > 0) throw Object.assign(new Error(), { code });
    return connect({ host: '::1', port, allowHalfOpen: true });
  };
  const proxy = await proxyOf({ open });
  const client = clientOf(proxy);
  client.write(Uint8Array.of(5, 1, 0, ...requestOf(target)));
  expect([...(await received(client, 2 + 10))].slice(2, 4)).toEqual([5, reply]);
  expect(await all(await connected(proxy, target))).toBe('here');
});

test('an association that looks up many names at once causes no warning', async () => {
  const warnings: string[] = [];
  const note = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  const begun = withResolvers<void>();
  const associate: ProxyParts['udp']['associate'] = async (_, __, { gone }) => {
    for (let i = 0; i < 17; i++) gone.addEventListener('abort', () => {});
    begun.resolve();
  };
  const client = clientOf(await proxyOf({ udp: { associate } }));
  client.write(Uint8Array.of(5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
  await begun.promise;
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});
