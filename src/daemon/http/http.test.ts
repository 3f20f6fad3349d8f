import { expect, test } from 'vitest';
import { SOURCE, get, httpDaemon as daemon, raw } from '../../../test/support/http-rig.ts';
import type { Answer } from '../../../test/support/http-rig.ts';
import { ask } from '../../control/control-client.ts';
import type { RelayStatus } from '../../control/status.ts';

const codeOf = ({ status, text }: Answer): unknown => [status, (JSON.parse(text) as { code: string }).code];

test('the control socket answers HTTP beside its own protocol, one request a connection', async () => {
  const { path } = await daemon();
  const answer = await get('/api/v1/status', { socketPath: path });
  expect([answer.status, JSON.parse(answer.text)]).toEqual([200, SOURCE.status()]);
  expect(answer.headers).toMatchObject({
    connection: 'close',
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': expect.stringMatching(/default-src 'none'/) as string,
  });
  expect(await ask(path, { command: 'status' })).toEqual({ ok: true, result: 'here' });
});

test('the dashboard is open to all, with a policy that allows its own program only', async () => {
  const { port } = await daemon({}, 'secret');
  const page = await get('/', { port });
  expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  expect(page.headers['content-security-policy']).toMatch(
    /^default-src 'none'; script-src 'sha256-[^']+'; .*frame-ancestors 'none'$/,
  );
  expect(page.text).toMatch(/^<!doctype html>/);
});

test('peers are those of the control protocol, as many as are asked for', async () => {
  const { path, port } = await daemon();
  for (const [query, count] of [
    ['', 1_000],
    ['?limit=3', 3],
    ['?limit=0', 0],
    ['?limit=100000', 5_000],
  ] as const) {
    const { text, headers } = await get(`/api/v1/peers${query}`, { socketPath: path });
    const { peers, ...rest } = JSON.parse(text) as { peers: unknown[] };
    expect([peers.length, rest, headers['content-type']]).toEqual([
      count,
      { version: 1, name: 'it' },
      'application/json',
    ]);
  }
  for (const wrong of ['-1', '1.5', 'x', ''])
    expect(codeOf(await get(`/api/v1/peers?limit=${wrong}`, { port }))).toEqual([400, 'bad-request']);
});

test('users are those of the control protocol, of the window and as many as are asked for', async () => {
  const { path, port } = await daemon();
  for (const [query, window, limit] of [
    ['', 'minute', 10],
    ['?window=day', 'day', 10],
    ['?window=hour&limit=3', 'hour', 3],
    ['?limit=100000', 'minute', 256],
  ] as const) {
    const { text } = await get(`/api/v1/users${query}`, { socketPath: path });
    expect(JSON.parse(text)).toEqual({ version: 1, name: 'it', window, limit });
  }
  for (const wrong of ['limit=-1', 'limit=x', 'limit=', 'window=week', 'window='])
    expect(codeOf(await get(`/api/v1/users?${wrong}`, { port }))).toEqual([400, 'bad-request']);
});

test('a role without peers, unknown paths, other methods and failures have an answer with a code', async () => {
  const said: string[] = [];
  const { path } = await daemon({
    peers: () => undefined,
    users: () => undefined,
    status: () => {
      throw new Error('no such thing');
    },
    log: (line) => said.push(line),
  });
  const socketPath = path;
  expect(codeOf(await get('/api/v1/peers', { socketPath }))).toEqual([404, 'not-found']);
  expect(codeOf(await get('/api/v1/users', { socketPath }))).toEqual([404, 'not-found']);
  expect(codeOf(await get('/nowhere', { socketPath }))).toEqual([404, 'not-found']);
  expect(codeOf(await get('/api/v1/status', { socketPath, method: 'DELETE' }))).toEqual([
    405,
    'not-permitted',
  ]);
  expect(codeOf(await get('/api/v1/status', { socketPath }))).toEqual([500, 'internal']);
  expect(said).toEqual(['warning: HTTP: cannot answer /api/v1/status: no such thing']);
  expect(await get('/livez', { socketPath, method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  expect(await get('/api/v1/peers', { socketPath, method: 'HEAD' })).toMatchObject({ text: '' });
});

test('readyz has the reason, with 200 or 503', async () => {
  let state = 'running';
  const { port } = await daemon({ status: () => ({ ...SOURCE.status(), state }) as RelayStatus });
  const common = { version: 1, name: 'it', role: 'relay' };
  const ready = await get('/readyz', { port });
  expect([ready.status, JSON.parse(ready.text)]).toEqual([
    200,
    { ...common, ready: true, words: 'running at 192.0.2.1:3545, user path' },
  ]);
  state = 'draining';
  const draining = await get('/readyz', { port });
  const reason = 'draining at 192.0.2.1:3545, user path';
  expect([draining.status, JSON.parse(draining.text)]).toEqual([
    503,
    { ...common, ready: false, words: reason, reason },
  ]);
});

test('over TCP a page of another origin, and a name that leads here, get no answer', async () => {
  const { port, path } = await daemon();
  const statusFor = async (headers: Record<string, string>): Promise<number> =>
    (await get('/api/v1/status', { port, headers })).status;
  expect(await statusFor({})).toBe(200);
  expect(await statusFor({ Host: 'localhost' })).toBe(200);
  expect(await statusFor({ Host: `[::1]:${port}` })).toBe(200);
  expect(await statusFor({ Host: 'evil.example' })).toBe(421);
  expect(await statusFor({ Host: `evil.example:${port}` })).toBe(421);
  for (const none of ['HTTP/1.0\r\n\r\n', 'HTTP/1.1\r\nHost:\r\n\r\n', 'HTTP/1.1\r\nHost: :80\r\n\r\n'])
    expect(await raw(port, `GET /api/v1/status ${none}`)).toMatch(/^HTTP\/1\.1 4/);
  expect(await statusFor({ Origin: 'http://evil.example' })).toBe(403);
  expect(await statusFor({ Origin: 'null' })).toBe(403);
  expect(await statusFor({ Origin: `http://127.0.0.1:${port}`, Host: `127.0.0.1:${port}` })).toBe(200);
  expect(await statusFor({ 'Sec-Fetch-Site': 'cross-site' })).toBe(403);
  expect(await statusFor({ 'Sec-Fetch-Site': 'same-site' })).toBe(403);
  expect(await statusFor({ 'Sec-Fetch-Site': 'same-origin' })).toBe(200);
  // Browsers do not reach Unix sockets.
  expect((await get('/livez', { socketPath: path, headers: { Host: 'any' } })).status).toBe(200);
});

test('over TCP a token that is wanted has to be right; the control socket needs none', async () => {
  const token = '0123456789abcdef0123456789abcdef';
  const { port, path } = await daemon({}, token);
  const statusFor = async (authorization?: string): Promise<number> => {
    const headers = authorization === undefined ? {} : { Authorization: authorization };
    return (await get('/api/v1/status', { port, headers: { Host: 'relay.example', ...headers } })).status;
  };
  expect(await statusFor()).toBe(401);
  expect(await statusFor('Bearer')).toBe(401);
  expect(await statusFor(`Bearer ${token.slice(1)}`)).toBe(401);
  expect(await statusFor(`Bearer ${token}0`)).toBe(401);
  expect(await statusFor(`Basic ${token}`)).toBe(401);
  expect(await statusFor(`Bearer ${token}`)).toBe(200);
  expect((await get('/api/v1/status', { socketPath: path })).status).toBe(200);
});

test('over TCP only HTTP is spoken, and of a connection one request is answered', async () => {
  const { port } = await daemon();
  expect(await raw(port, '{"command":"status"}\n')).toBe('');
  expect(await raw(port, 'hello\n')).toBe('');
  const twice = await raw(port, 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3));
  expect(twice.match(/HTTP\/1\.1/g)).toHaveLength(1);
  const smuggled =
    'GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n';
  expect(
    await raw(port, `${smuggled}0\r\n\r\nGET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  ).toMatch(/^HTTP\/1\.1 400 (?!.*HTTP)/s);
  const long = `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`;
  expect(await raw(port, long)).toMatch(/^HTTP\/1\.1 431 /);
});

test('peers in an order are the first of all, at most a thousand', async () => {
  const known = Array.from({ length: 3_000 }, (_, i) => ({
    address: `2001::${i}`,
    receivedBytes: (i * 7_919) % 3_000,
    sentBytes: 0,
    ...(i % 3 === 0 ? {} : { receivedSecondsAgo: (i * 7_907) % 3_000 }),
  }));
  const asked: number[] = [];
  const { path } = await daemon({
    peers: (limit) => {
      asked.push(limit);
      return { ok: true, result: {}, list: 'peers', items: known };
    },
  });
  const peersOf = async (query: string): Promise<typeof known> =>
    (JSON.parse((await get(`/api/v1/peers?${query}`, { socketPath: path })).text) as { peers: typeof known })
      .peers;
  const byTraffic = await peersOf('sort=traffic&limit=3');
  expect(byTraffic.map(({ receivedBytes }) => receivedBytes)).toEqual([2_999, 2_998, 2_997]);
  const heard = await peersOf('sort=heard&limit=100000');
  expect(heard).toHaveLength(1_000);
  const ages = heard.map(({ receivedSecondsAgo }) => receivedSecondsAgo!);
  expect(ages).toEqual(ages.toSorted((a, b) => a - b));
  expect(await peersOf('sort=heard&limit=0')).toEqual([]);
  expect(asked).toEqual([100_000, 100_000, 100_000]);
  expect(codeOf(await get('/api/v1/peers?sort=name', { socketPath: path }))).toEqual([400, 'bad-request']);
});

test.each(['traffic', 'heard'] as const)('all peers come in the order of %s, page by page', async (sort) => {
  const heardAt = (i: number): number => -((i * 7_907) % 2_500) * 500;
  const peers = function* (): Generator<object> {
    for (let i = 0; i < 2_500; i++)
      yield {
        address: `2001::${i}`,
        receivedBytes: (i * 7_919) % 100, // many are equal
        sentBytes: 0,
        ...(i % 10 === 0
          ? {}
          : { receivedSecondsAgo: Math.round((performance.now() - heardAt(i)) / 100) / 10 }),
      };
  };
  const { path: socketPath } = await daemon({
    peers: () => ({ ok: true, result: {}, list: 'peers', items: peers() }),
  });
  const shown: string[] = [];
  let after = '';
  for (const isLast of [false, false, true]) {
    const { text } = await get(`/api/v1/peers?sort=${sort}&limit=100000${after}`, { socketPath });
    const page = JSON.parse(text) as { peers: { address: string }[]; next?: string };
    shown.push(...page.peers.map(({ address }) => address));
    expect(page.next === undefined).toBe(isLast);
    after = `&after=${encodeURIComponent(page.next ?? '')}`;
  }
  expect([shown.length, new Set(shown).size]).toEqual([2_500, 2_500]);
  for (const wrong of [
    'sort=heard&after=',
    'after=1,2001::1',
    'sort=heard&after=1',
    'sort=traffic&after=x,::',
  ])
    expect(codeOf(await get(`/api/v1/peers?${wrong}`, { socketPath }))).toEqual([400, 'bad-request']);
});
