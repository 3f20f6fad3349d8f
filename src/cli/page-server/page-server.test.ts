/** The server of `teredo dashboard`: it answers as a daemon does, and no other user takes its connections away. */
import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { heldMemory } from '../../../test/support/blocks.ts';
import { IS_ALL } from '../../../test/support/extent.ts';
import { get, httpDaemon, raw } from '../../../test/support/http-rig.ts';
import type { Answer, Daemon } from '../../../test/support/http-rig.ts';
import { stopwatch } from '../../../test/support/stopwatch.ts';
import { Running } from '../../lab/index.ts';
import { servePage } from './page-server.ts';

const ATTACKER = 65_534;
const OTHER_USER = 65_533;
const isRoot = process.getuid?.() === 0;

interface Page {
  readonly port: number;
  readonly token: string;
  readonly headers: { readonly Authorization: string };
}

async function pageOf({ path }: Daemon): Promise<Page> {
  const server = await servePage({
    list: () => Promise.resolve({ daemons: [] }),
    socketOf: (name) =>
      name === 'gone' ? Promise.reject(new Error('no daemon named "gone"')) : Promise.resolve(path),
  });
  onTestFinished(server.close);
  const { port, hash } = new URL(server.url);
  const token = hash.replace('#token=', '');
  return { port: Number(port), token, headers: { Authorization: `Bearer ${token}` } };
}

describe('the same answers as those of a daemon', () => {
  const bodyOf = ({ status, headers, text }: Answer): unknown => ({
    status,
    type: headers['content-type'],
    allow: headers['allow'],
    policy: headers['content-security-policy'],
    text,
  });

  const PATHS = [
    '/livez',
    '/readyz',
    '/api/v1/status',
    '/api/v1/peers',
    '/api/v1/peers?limit=7',
    '/api/v1/peers?limit=x',
    '/api/v1/peers?limit=-1',
    '/api/v1/peers?limit=',
    '/api/v1/peers?limit=1e3',
    '/api/v1/peers?limit=3&sort=traffic',
    '/api/v1/peers?limit=3&sort=traffic&after=5,2001::7',
    '/api/v1/peers?sort=heard',
    '/api/v1/peers?sort=name',
    '/api/v1/peers?after=1,::1',
    '/api/v1/users',
    '/api/v1/users?window=day&limit=3',
    '/api/v1/users?window=week',
    '/api/v1/users?limit=x',
    '/api/v1/drain',
    '/api/v1/',
    '/nowhere?limit=1',
    '/../etc/passwd',
    '//etc/passwd',
    'http://localhost/api/v1/status',
    '*',
  ];
  const METHODS = ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'TRACE'];

  test.each(PATHS)('%s', async (path) => {
    const daemon = await httpDaemon({
      peers: (limit) => ({
        ok: true,
        result: { version: 1, name: 'it' },
        list: 'peers',
        items: Array.from({ length: Math.min(limit, 30) }, (_, i) => ({
          address: `2001::${i}`,
          receivedBytes: (i * 7) % 30,
          sentBytes: 0,
        })),
      }),
    });
    const { port, headers } = await pageOf(daemon);
    for (const method of METHODS) {
      const here = await get(path, { port, method, headers });
      expect(bodyOf(here), method).toEqual(bodyOf(await get(path, { socketPath: daemon.path, method })));
    }
  });

  test.each([
    '/api/v1/daemons/it/status',
    '/api/v1/daemons/it/peers?limit=3',
    '/api/v1/daemons/it/users?limit=x',
  ])('of a named daemon: %s', async (path) => {
    const daemon = await httpDaemon();
    const { port, headers } = await pageOf(daemon);
    const there = await get(path.replace('/daemons/it', ''), { socketPath: daemon.path });
    expect(bodyOf(await get(path, { port, headers }))).toEqual(bodyOf(there));
  });

  test('what a daemon refuses over TCP is refused with the same words', async () => {
    const token = '0123456789abcdef0123456789abcdef';
    const daemon = await httpDaemon({}, token);
    const { port, token: own } = await pageOf(daemon);
    for (const [path, headers] of [
      ['/api/v1/status', {}],
      ['/api/v1/status', { Authorization: 'Bearer' }],
      ['/api/v1/status', { Authorization: 'Bearer TOKEN0' }],
      ['/nowhere', {}],
      ['/events', { Authorization: 'Basic TOKEN' }],
      ['/api/v1/status', { Authorization: 'Bearer TOKEN', Origin: 'http://other.example' }],
      ['/api/v1/status', { Authorization: 'Bearer TOKEN', 'Sec-Fetch-Site': 'cross-site' }],
      ['/api/v1/status', { Authorization: 'Bearer TOKEN', Host: 'other.example' }],
      ['/api/v1/status', { Host: 'other.example' }],
      ['/', { Host: 'other.example' }],
    ] as const) {
      const [here, there] = [own, token].map((one) =>
        Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, text.replace('TOKEN', one)])),
      );
      const answer = await get(path, { port, headers: here! });
      const expected = await get(path, { port: daemon.port, headers: there! });
      expect(bodyOf(answer), `${path} ${JSON.stringify(headers)}`).toEqual(bodyOf(expected));
    }
  });

  test('a daemon that has gone is an answer with a code', async () => {
    const { port, headers } = await pageOf(await httpDaemon());
    const { status, text } = await get('/api/v1/daemons/gone/status', { port, headers });
    expect([status, JSON.parse(text)]).toEqual([
      502,
      { ok: false, code: 'no-answer', message: 'no daemon named "gone"' },
    ]);
  });
});

test('events come from where the reader left', async () => {
  const daemon = await httpDaemon();
  const { port, headers } = await pageOf(daemon);
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(
    `GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${headers.Authorization}\r\nLast-Event-ID: 999999\r\n\r\n`,
  );
  let text = '';
  while (!text.includes('event: status')) text += String(((await once(socket, 'data')) as [Buffer])[0]);
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
  expect(text).not.toContain('event: log');
});

test('of a connection one request is answered', async () => {
  const { port } = await pageOf(await httpDaemon());
  const many = await raw(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50));
  expect(many.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
});

/** Connections of this user that ask for a long list and read nothing. */
function slowReaders(count: number, { port, headers }: Page): Socket[] {
  return Array.from({ length: count }, () => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(
        `GET /api/v1/peers?limit=100000 HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${headers.Authorization}\r\n\r\n`,
      ),
    );
    socket.pause().on('error', () => {});
    onTestFinished(() => void socket.destroy());
    return socket;
  });
}

/** One for all answers: a daemon walks its peers, and makes no list of them for each. */
const items = Array.from({ length: 100_000 }, (_, i) => ({ address: `2001::${i}`, mapped: 'x'.repeat(100) }));
const LONG_LIST = {
  peers: () => ({ ok: true as const, result: { version: 1, name: 'it' }, list: 'peers', items }),
};

test('readers that do not read, more than there are places, hold nothing up and little memory', async () => {
  const page = await pageOf(await httpDaemon(LONG_LIST));
  await get('/', { port: page.port });
  const before = heldMemory();
  slowReaders(40, page);
  for (let i = 0; i < 10; i++) {
    const watch = stopwatch();
    expect((await get('/', { port: page.port })).status).toBe(200);
    expect(watch()).toBeLessThan(1_000);
  }
  expect(heldMemory() - before).toBeLessThan(60);
});

const MANY_AT_ONCE = `import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
def begin():
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(('127.0.0.1', int(sys.argv[1])))
    return s
begun = [begin() for _ in range(1000)]
print(sum(s.connect_ex(('127.0.0.1', int(sys.argv[1]))) in (0, 106) for s in begun))`;

test('connections that come while the process is busy are kept by the kernel', async () => {
  const { port } = await pageOf(await httpDaemon());
  const { stdout } = spawnSync('python3', ['-c', MANY_AT_ONCE, String(port)], { encoding: 'utf8' }); // holds this process up
  expect(stdout).toBe('1000\n');
});

const ATTACKS = fileURLToPath(new URL('../../../test/attack/attacker/http.py', import.meta.url));
/** Longer than 20 questions take. */
const SECONDS = 3;
const MODES = IS_ALL
  ? ['hold', 'half-open', 'letters', 'head', 'body', 'pipeline', 'quick']
  : ['hold', 'quick'];

function runAs(uid: number, mode: string, port: number): Running {
  const running = new Running('python3', [ATTACKS, `127.0.0.1:${port}`, String(SECONDS), mode, String(uid)]);
  onTestFinished(async () => void (await running.stop()));
  return running;
}

describe.skipIf(!isRoot)('another user of the host', () => {
  test.each(MODES)(
    'that makes ever new connections (%s) takes no place of this user, or of a third one',
    async (mode) => {
      const { port } = await pageOf(await httpDaemon());
      await get('/', { port });
      await runAs(ATTACKER, mode, port).waitFor(/ready/);
      const visitors = [0, OTHER_USER].map((uid) => runAs(uid, 'visitor', port));
      for (const visitor of visitors) {
        await visitor.exited;
        const times = JSON.parse(visitor.output) as number[];
        process.stdout.write(`${mode}: at most ${Math.max(...times).toFixed(0)} ms\n`);
        expect(times).toHaveLength(20);
        expect(Math.min(...times), 'all were answered').toBeGreaterThanOrEqual(0);
        expect(Math.max(...times)).toBeLessThan(1_000);
      }
    },
    20_000,
  );
});
