/** `teredo proxy` with many clients, bad ones, and with those of other users. */
import { chownSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { parseIpv6 } from '../../src/wire/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { makeUser, processesOf } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { programOf, proxyOf } from '../support/proxy.ts';
import { startRelay, startServer } from '../support/roles.ts';

const PORT = 8_000;
/** SOCKS5: no authentication, and CONNECT to the echo server. */
const HEAD = [5, 1, 0, 5, 1, 0, 4, ...parseIpv6(NATIVE_ADDRESS)!, PORT >> 8, PORT & 0xff].join();
/** Answers each connection with what it has sent, at the end of that. */
const ECHO =
  `require('net').createServer({ allowHalfOpen: true }, (s) => s.on('error', () => {}).pipe(s)).listen(${PORT}, '::', 4096, ` +
  `() => console.log('listening'))`;

/** An HTTP server that answers with the address of the asker. */
const WEB =
  `require('http').createServer((q, s) => s.end(q.socket.remoteAddress + '\\n')).listen(8080, '::', ` +
  `() => console.log('listening'))`;

interface Lab {
  readonly net: Internet;
  readonly host: Namespace;
  readonly user: User;
}

async function lab(): Promise<Lab> {
  const net = new Internet();
  const host = net.site('a', 'port-restricted').client;
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await net.native.spawn(process.execPath, ['-e', ECHO]).waitFor(/listening/);
  return { net, host, user: makeUser() };
}

async function startProxy({ host, user }: Lab, ...words: string[]): Promise<Running> {
  const proxy = proxyOf(host, user, words);
  await proxy.waitFor(/the proxy at/);
  return proxy;
}

/**
 * Opens so many connections to the echo server at once; each sends its number and ends its direction once all stand. Prints how many got the whole answer, and
 * the longest time until a connection stood.
 */
const MANY = (count: number, length: number): string => `
const net = require('net');
const head = Buffer.from([${HEAD}]);
let [open, right, ended, slowest] = [0, 0, 0, 0];
const all = [];
for (let i = 0; i < ${count}; i++) {
  const begun = performance.now();
  const s = net.connect({ host: '127.0.0.1', port: 1080, allowHalfOpen: true }, () => s.write(head));
  let got = Buffer.alloc(0), stands = false;
  const sent = Buffer.alloc(${length}, String(i));
  s.on('data', (d) => {
    got = Buffer.concat([got, d]);
    if (stands || got.length < 24) return;
    stands = true;
    slowest = Math.max(slowest, performance.now() - begun);
    all.push(() => s.end(sent));
    if (++open === ${count}) for (const end of all) end();
  });
  s.on('error', () => {});
  s.on('close', () => { if (got.subarray(24).equals(sent)) right++; if (++ended === ${count}) console.log(JSON.stringify({ open, right, slowest: Math.round(slowest) })); });
  s.on('end', () => s.destroyed || s.destroySoon());
}`;

interface Counts {
  readonly open: number;
  readonly right: number;
  readonly slowest: number;
}

async function countsOf({ host, user }: Lab, count: number, length: number): Promise<Counts> {
  const client = programOf(host, user, process.execPath, '-e', MANY(count, length));
  expect(await client.exited, client.output).toBe(0);
  return JSON.parse(client.stdout) as Counts;
}

/** Asks the echo server 100 times by one connection, and prints how long the slowest answer took. */
const STANDING = `
const s = require('net').connect(1080, '127.0.0.1', () => s.write(Buffer.from([${HEAD}])));
let [got, begun, asked, slowest] = [0, 0, 0, 0];
const ask = () => { begun = performance.now(); asked++; s.write('x'); };
s.on('data', (d) => {
  got += d.length;
  if (got < 24) return;
  if (asked === 0) console.log('stands');
  else slowest = Math.max(slowest, performance.now() - begun);
  if (asked === 100) console.log('slowest ' + Math.round(slowest)); else setTimeout(ask, 30);
});`;

/** Connects and closes without end. */
const FLOOD = `const net = require('net'); const go = () => { const s = net.connect(1080, '127.0.0.1'); s.on('error', () => {}); s.on('close', go); setTimeout(() => s.destroy(), 5); }; for (let i = 0; i < 200; i++) go();`;

describe.runIf(IS_ALL)('at length', () => {
  test('1,000 connections at once: each gets its whole answer', async () => {
    const run = await lab();
    await using _ = run.net;
    await startProxy(run);
    const counts = await countsOf(run, 1_000, 10_000);
    console.log(`1,000 connections: the slowest stood after ${counts.slowest} ms`);
    expect(counts).toMatchObject({ open: 1_000, right: 1_000 });
    expect((await countsOf(run, 10, 100_000)).right).toBe(10);
  });

  test('another user floods the port: connections that stand are not held up, and new ones come when it is over', async () => {
    const run = await lab();
    await using _ = run.net;
    await startProxy(run);
    const standing = programOf(run.host, run.user, process.execPath, '-e', STANDING);
    await standing.waitFor(/stands/);
    const floods = Array.from({ length: 2 }, () =>
      programOf(run.host, makeUser(), process.execPath, '-e', FLOOD),
    );
    const [, slowest] = await standing.waitFor(/slowest (\d+)/);
    console.log(`beside the flood: the slowest of 100 answers came after ${slowest} ms`);
    expect(Number(slowest)).toBeLessThan(1_500);
    await Promise.all(floods.map((flood) => flood.stop()));
    expect((await countsOf(run, 20, 1_000)).right).toBe(20);
  });

  test('user and password at an address of other hosts: curl by SOCKS5 and HTTP', async () => {
    const run = await lab();
    await using _ = run.net;
    await run.net.native.spawn(process.execPath, ['-e', WEB]).waitFor(/listening/);
    const file = join(run.user.folder, 'password');
    writeFileSync(file, 'secret\n', { mode: 0o600 });
    chownSync(file, run.user.id, run.user.id);
    await startProxy(run, '--listen', '0.0.0.0:1080', '--user', 'anna', '--password-file', file);
    const curl = async (...words: string[]): Promise<string> => {
      const url = `http://[${NATIVE_ADDRESS}]:8080/`;
      const running = programOf(run.host, makeUser(), 'curl', '-sS', '--max-time', '8', ...words, url);
      await running.exited;
      return running.output;
    };
    for (const way of ['socks5h', 'http']) {
      expect(await curl('--proxy', `${way}://anna:secret@127.0.0.1:1080`), way).toMatch(/^2001:0:/);
      expect(await curl('--proxy', `${way}://127.0.0.1:1080`), way).toMatch(
        /No authentication|needs a user|method/,
      );
      expect(await curl('--proxy', `${way}://anna:wrong@127.0.0.1:1080`), way).toMatch(
        /rejected|needs a user/,
      );
    }
  });

  test('kill -9, 20 times: the next one listens at the same place, and nothing is left', async () => {
    const run = await lab();
    await using _ = run.net;
    const socket = join(run.user.folder, 'proxy.sock');
    for (let i = 0; i < 20; i++) {
      const proxy = await startProxy(run, '--listen', `unix:${socket}`);
      expect(statSync(socket).mode & 0o777).toBe(0o600);
      const client = processesOf(run.user).find(({ words }) => words.includes('proxy'))!;
      process.kill(client.pid, 'SIGKILL');
      await proxy.exited;
      await until('the end of all processes', () => processesOf(run.user).length === 0 || undefined);
    }
    const last = await startProxy(run, '--listen', `unix:${socket}`);
    last.kill('SIGTERM');
    expect(await last.exited, last.output).toBe(0);
    expect(readdirSync(run.user.folder)).not.toContain('proxy.sock');
  });
});
