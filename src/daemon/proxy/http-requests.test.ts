import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { Agent, IncomingMessage, RequestListener } from 'node:http';
import { Agent as HttpAgent } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { proxyPlaceOf } from '../../runtime/settings/proxy-place.ts';
import { RequiredCredentials } from './credentials.ts';
import { Dialer } from './dialer.ts';
import { anywhere } from '../../../test/support/destinations.ts';
import { ProxyListener } from './listener.ts';
import { ProxyServer } from './proxy-server.ts';
import { Resolver } from './resolver.ts';

const NO_UDP = { associate: async (): Promise<void> => {} };

/** A proxy that reaches this host in place of the Internet; its port. */
async function proxyOf(required?: RequiredCredentials): Promise<number> {
  const network = {
    connect: (_: string, port: number) => connect({ host: '::1', port, allowHalfOpen: true }),
  };
  const dialer = new Dialer(network, new Resolver({ ipv6Only: true }), anywhere());
  const listener = await ProxyListener.open(proxyPlaceOf('127.0.0.1:0'), required !== undefined);
  const server = new ProxyServer(listener, { required, dialer, udp: NO_UDP });
  onTestFinished(() => server.close());
  return listener.port!;
}

async function listening(server: Server): Promise<number> {
  onTestFinished(() => void server.close());
  await once(server.listen(0, '::1'), 'listening');
  return (server.address() as AddressInfo).port;
}

const website = async (serve: RequestListener): Promise<number> => await listening(createServer(serve));

interface Asked {
  readonly proxy: number;
  readonly site: number;
  readonly agent?: Agent;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** A request as browsers and curl send it to a proxy. */
async function ask({
  proxy,
  site,
  agent,
  method,
  headers,
  body,
}: Asked): Promise<IncomingMessage & { body: string }> {
  const path = `http://[2001:db8::1]:${site}/a?b`;
  const sent = request({ host: '127.0.0.1', port: proxy, path, method, headers, agent });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return Object.assign(answer, { body: await text(answer) });
}

function keptAgent(): Agent {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return agent;
}

test('each request of a connection goes to its own target', async () => {
  const proxy = await proxyOf();
  const agent = keptAgent();
  const seen: string[] = [];
  const sites = await Promise.all(
    ['one', 'two'].map((name) =>
      website((asked, answer) => {
        seen.push(
          `${name} ${asked.url} ${asked.headers.host} ${asked.headers.cookie} ${asked.headers['proxy-authorization']}`,
        );
        answer.setHeader('Connection', 'keep-alive').end(name);
      }),
    ),
  );
  for (const [i, site] of sites.entries()) {
    const headers = { Cookie: `for ${site}`, 'Proxy-Authorization': 'Basic abc=' };
    expect((await ask({ proxy, site, agent, headers })).body).toBe(['one', 'two'][i]);
  }
  const [one, two] = sites as [number, number];
  expect(seen).toEqual([
    `one /a?b [2001:db8::1]:${one} for ${one} undefined`,
    `two /a?b [2001:db8::1]:${two} for ${two} undefined`,
  ]);
});

test('a target that sends a second answer is not heard for another one', async () => {
  const proxy = await proxyOf();
  const reply = (words: string): string =>
    `HTTP/1.1 200 OK\r\nContent-Length: ${words.length}\r\n\r\n${words}`;
  const evil = await listening(
    createTcpServer((socket: Socket) => {
      socket.on('error', () => {}).once('data', () => socket.write(reply('mine') + reply('yours')));
    }),
  );
  const bank = await website((_, answer) => answer.end('bank'));
  const client = connect({ port: proxy, host: '127.0.0.1' });
  onTestFinished(() => void client.destroy());
  let got = '';
  client.on('data', (octets) => (got += octets.toString()));
  // Without an agent, which would notice the second answer by itself.
  for (const [site, body] of [
    [evil, 'mine'],
    [bank, 'bank'],
  ] as const) {
    client.write(`GET http://[2001:db8::1]:${site}/ HTTP/1.1\r\nHost: a\r\n\r\n`);
    await eventually(() => expect(got).toContain(body));
  }
  expect(got).not.toContain('yours');
});

test.for(['Content-Length', 'chunked'])('a body (%s) arrives whole', async (framing) => {
  const proxy = await proxyOf();
  const site = await website(
    (asked, answer) => void text(asked).then((body) => answer.end(`${asked.method} ${body}`)),
  );
  const body = 'x'.repeat(100_000);
  const headers: Record<string, string> =
    framing === 'chunked' ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(body.length) };
  expect((await ask({ proxy, site, method: 'POST', headers, body })).body).toBe(`POST ${body}`);
});

test('every request needs the password', async () => {
  const proxy = await proxyOf(new RequiredCredentials('me', 'secret'));
  const agent = keptAgent();
  const site = await website((_, answer) => answer.end('here'));
  const right = { 'Proxy-Authorization': `Basic ${Buffer.from('me:secret').toString('base64')}` };
  expect((await ask({ proxy, site, agent, headers: right })).body).toBe('here');
  expect((await ask({ proxy, site, agent })).statusCode).toBe(407);
});

test('a target that refuses, or that is no web server', async () => {
  const proxy = await proxyOf();
  expect((await ask({ proxy, site: 1 })).statusCode).toBe(502);
  const site = await listening(createTcpServer((socket) => void socket.on('error', () => {}).end('hello')));
  expect((await ask({ proxy, site })).statusCode).toBe(502);
});

test('a client that has ended its direction still gets the answer', async () => {
  const proxy = await proxyOf();
  const site = await website((_, answer) => void setImmediate(() => answer.end('here')));
  const client = connect({ port: proxy, host: '127.0.0.1', allowHalfOpen: true });
  client.end(`GET http://[2001:db8::1]:${site}/ HTTP/1.0\r\n\r\n`);
  expect(await text(client)).toMatch(/^HTTP\/1.1 200 OK[^]*\r\n\r\nhere$/);
});

/** A target that answers each connection with these octets. */
const answering = async (octets: string): Promise<number> =>
  await listening(
    createTcpServer((socket) => {
      socket.on('error', () => {}).once('data', () => socket.end(Buffer.from(octets, 'latin1')));
    }),
  );

/** Sends octets by a connection of its own, and gives all that has come once it matches. */
async function exchange(proxy: number, octets: string, until: RegExp): Promise<string> {
  const client = connect({ port: proxy, host: '127.0.0.1' }).on('error', () => {});
  onTestFinished(() => void client.destroy());
  let got = '';
  client.on('data', (piece) => (got += piece.toString('latin1')));
  client.write(Buffer.from(octets, 'latin1'));
  await eventually(() => expect(got).toMatch(until));
  return got;
}

test.for([
  ['a control character in the line of the status', '200 O\x01K\r\nContent-Length: 1\r\n\r\na'],
  ['a status that does not exist', '000 OK\r\nContent-Length: 1\r\n\r\na'],
  ['a status below 100', '099 OK\r\nContent-Length: 1\r\n\r\na'],
  ['a change of the protocol', '101 Change\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nhello'],
  ['a change without its name', '101 Change\r\n\r\nhello'],
  [
    'a coding that was not asked for',
    '200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
  ],
])('a target that answers with %s: 502, and the next request is served', async ([, octets]) => {
  const proxy = await proxyOf();
  const bad = await answering(`HTTP/1.1 ${octets}`);
  expect((await ask({ proxy, site: bad })).statusCode).toBe(502);
  const site = await website((_, answer) => answer.end('here'));
  expect((await ask({ proxy, site })).body).toBe('here');
});

test('requests that do not wait for the answer before: one after the other, and no more than 16 wait', async () => {
  const proxy = await proxyOf();
  const answers: (() => void)[] = [];
  const site = await website((asked, answer) => void answers.push(() => answer.end(asked.url)));
  const asked = (i: number): string => `GET http://[2001:db8::1]:${site}/${i} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const several = (count: number): string => Array.from({ length: count }, (_, i) => asked(i)).join('');
  const all = exchange(proxy, several(17), /\/16$/);
  for (let i = 0; i < 17; i++) {
    await eventually(() => expect(answers.length).toBe(i + 1));
    answers[i]!();
  }
  expect([...(await all).matchAll(/\/\d+$|\/\d+(?=HTTP)/g)].map(([path]) => path)).toEqual(
    Array.from({ length: 17 }, (_, i) => `/${i}`),
  );
  const client = connect({ port: proxy, host: '127.0.0.1' }).on('error', () => {});
  const closed = new Promise((resolve) => client.resume().on('close', resolve));
  client.write(several(2_000));
  await closed;
  expect(answers.length).toBeLessThanOrEqual(18);
});

test.for([
  ['an unknown method', 'FOO http://[2001:db8::1]:1/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a control character', 'GET http://[2001:db8::1]:1/\x01 HTTP/1.1\r\nHost: a\r\n\r\n'],
])('%s is answered with 400, as a first request and as a later one', async ([, octets]) => {
  const proxy = await proxyOf();
  const site = await website((_, answer) => answer.end('here'));
  await exchange(proxy, octets!, /^HTTP\/1.1 400 /);
  const client = connect({ port: proxy, host: '127.0.0.1' }).on('error', () => {});
  onTestFinished(() => void client.destroy());
  let got = '';
  client.on('data', (piece) => (got += piece.toString('latin1')));
  client.write(`GET http://[2001:db8::1]:${site}/ HTTP/1.1\r\nHost: a\r\n\r\n`);
  await eventually(() => expect(got).toMatch(/\r\n\r\n.*here/s));
  client.write(Buffer.from(octets!, 'latin1'));
  await eventually(() => expect(got).toMatch(/HTTP\/1.1 400 /));
});

test('a coding of the body that the proxy does not know: 501', async () => {
  const proxy = await proxyOf();
  const headers = { 'Transfer-Encoding': 'gzip, chunked' };
  expect((await ask({ proxy, site: 1, method: 'POST', headers, body: 'a' })).statusCode).toBe(501);
});

test.for([
  ['the target answers before the end of a body', 413],
  ['the proxy refuses a request with a body', 502],
] as const)(
  '%s: the client gets the answer, and the connection ends soon',
  { timeout: 12_000 },
  async ([, status]) => {
    const proxy = await proxyOf();
    const site = await answering(
      'HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig',
    );
    const client = connect({ port: proxy, host: '127.0.0.1' }).on('error', () => {});
    onTestFinished(() => void client.destroy());
    let got = '';
    client.on('data', (piece) => (got += piece.toString('latin1')));
    // Octets that are under way when the proxy ends the connection reset it: by then the answer has come.
    const closed = new Promise((resolve) => client.on('close', resolve));
    const place = `[2001:db8::1]:${status === 413 ? site : 1}`;
    client.write(`POST http://${place}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n`);
    const more = setInterval(() => client.write(Buffer.alloc(10_000)), 20);
    onTestFinished(() => clearInterval(more));
    await eventually(() => expect(got).toMatch(new RegExp(`^HTTP/1.1 ${status} `)));
    await closed;
  },
);

test('a refusal ends the connection, so that the client holds no descriptor of a proxy without free ones', async () => {
  const client = connect({ port: await proxyOf(), host: '127.0.0.1' });
  onTestFinished(() => void client.destroy());
  client.write('GET http://[2001:db8::1]:1/ HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(await text(client)).toMatch(/^HTTP\/1.1 502 /);
});

test('OPTIONS of a whole server, HEAD, and the names of the proxies on the way', async () => {
  const proxy = await proxyOf();
  const seen: unknown[] = [];
  const site = await website((asked, answer) => {
    seen.push(asked.method, asked.url, asked.headers.via);
    answer.setHeader('Content-Length', 5).end('12345');
  });
  const head = `HTTP/1.1\r\nHost: a\r\nVia: 1.0 one\r\n\r\n`;
  const got = await exchange(proxy, `OPTIONS http://[2001:db8::1]:${site} ${head}`, /12345$/);
  expect(got).toMatch(/^via: 1\.1 teredo/im);
  const [, length] = /content-length: (\d)/i.exec(
    await exchange(proxy, `HEAD http://[2001:db8::1]:${site}/a ${head}`, /\r\n\r\n$/),
  )!;
  expect(length).toBe('5');
  expect(seen).toEqual(['OPTIONS', '*', '1.0 one, 1.1 teredo', 'HEAD', '/a', '1.0 one, 1.1 teredo']);
});
