/** `teredo proxy`: programs reach IPv6 hosts by SOCKS5 and HTTP, without root. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { makeUser } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { PROXY, programOf, proxyOf, serviceOf } from '../support/proxy.ts';
import { startRelay, startServer } from '../support/roles.ts';

const NAME_SERVER = fileURLToPath(new URL('../support/name-server.mjs', import.meta.url));
const PORT = 8_000;
const UDP_STRANGER = fileURLToPath(new URL('../support/udp-stranger.mjs', import.meta.url));
const SOCKS_UDP = fileURLToPath(new URL('../support/socks-udp.mjs', import.meta.url));
/** An HTTP server that answers with the address of the asker. */
const WEB =
  `require('http').createServer((q, s) => s.end(q.socket.remoteAddress + '\\n')).listen(${PORT}, '::', ` +
  `() => console.log('listening'))`;
/** A UDP server that sends each datagram back. */
const ECHO = (family: 'udp4' | 'udp6'): string =>
  `const s = require('dgram').createSocket('${family}'); s.on('message', (m, f) => { console.log('got ' + m); s.send(m, f.port, f.address); }); ` +
  `s.bind(${PORT}, () => console.log('listening'))`;
const HOSTS = [
  `${NATIVE_ADDRESS} six.example`,
  `${SERVER_ADDRESS} four.example`,
  `127.0.0.1 trap.example`,
  '198.51.100.1 nat.example',
];

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
  for (const web of [net.native, net.server])
    await web.spawn(process.execPath, ['-e', WEB]).waitFor(/listening/);
  return { net, host, user: makeUser() };
}

async function curl({ host, user }: Lab, ...words: string[]): Promise<{ status: number; output: string }> {
  const running: Running = programOf(
    host,
    user,
    'curl',
    '--silent',
    '--show-error',
    '--max-time',
    '8',
    ...words,
  );
  return { status: (await running.exited) as number, output: running.output };
}

test('SOCKS5, HTTP and UDP: names and addresses, IPv6 through Teredo and IPv4 from the host', async () => {
  const run = await lab();
  await using _ = run.net;
  const proxy = proxyOf(run.host, run.user, [], HOSTS);
  await proxy.waitFor(/the proxy at 127\.0\.0\.1:1080 .* serves programs of this user/);
  const ways = [
    ['--socks5-hostname', PROXY],
    ['--proxytunnel', '--proxy', PROXY],
    ['--proxy', PROXY],
  ];
  for (const way of ways)
    for (const target of ['six.example', `[${NATIVE_ADDRESS}]`]) {
      const answer = await curl(run, ...way, `http://${target}:${PORT}/`);
      expect(answer, `${way.join(' ')} ${target}`).toMatchObject({ status: 0 });
      expect(answer.output).toMatch(/^2001:0:/);
    }
  const ipv4 = await curl(run, '--socks5-hostname', PROXY, `http://four.example:${PORT}/`);
  expect(ipv4).toMatchObject({ status: 0, output: expect.stringMatching(/^::ffff:/) as string });
  // This host, and the NAT, which may forward ports to its own network. RFC 1928: not allowed by ruleset
  for (const target of ['trap.example', 'nat.example', 'localhost']) {
    const trap = await curl(run, '--socks5-hostname', PROXY, `http://${target}:${PORT}/`);
    expect(trap.output, target).toMatch(/\(2\)/);
  }
  const stranger = await curl(
    { ...run, user: makeUser(65_533) },
    '--socks5-hostname',
    PROXY,
    `http://six.example:${PORT}/`,
  );
  expect(stranger.status).not.toBe(0);
  await expectDatagrams(run);
  proxy.kill('SIGTERM');
  expect(await proxy.exited, proxy.output).toBe(0);
  await expectDocumentationRefused(run);
});

/** Without --allow-private. */
async function expectDocumentationRefused(run: Lab): Promise<void> {
  await serviceOf(run.host, run.user, ['proxy']).waitFor(/the proxy at/);
  for (const target of [`[${NATIVE_ADDRESS}]`, SERVER_ADDRESS]) {
    const { output } = await curl(run, '--socks5-hostname', PROXY, `http://${target}:${PORT}/`);
    expect(output, target).toMatch(/\(2\)/);
  }
}

test('names that no server answers for delay no other name', async () => {
  const run = await lab();
  await using _ = run.net;
  const names = run.host.spawn(process.execPath, [NAME_SERVER, SERVER_ADDRESS, NATIVE_ADDRESS]);
  await names.waitFor(/listening/);
  await proxyOf(run.host, run.user).waitFor(/the proxy at/);
  const ask = (name: string): ReturnType<typeof curl> =>
    curl(run, '--socks5-hostname', PROXY, `http://${name}:${PORT}/`);
  for (let i = 0; i < 20; i++) void ask(`silent${i}.example`);
  const begun = performance.now();
  const answer = await ask('some.example');
  expect(answer).toMatchObject({ status: 0, output: expect.stringMatching(/^2001:0:/) as string });
  expect(performance.now() - begun).toBeLessThan(5_000);
});

/** 1,200 octets there and back, as QUIC sends them. */
async function expectDatagrams({ net, host, user }: Lab): Promise<void> {
  const echo = net.native.spawn(process.execPath, ['-e', ECHO('udp6')]);
  await echo.waitFor(/listening/);
  await net.server.spawn(process.execPath, ['-e', ECHO('udp4')]).waitFor(/listening/);
  const targets = [
    [NATIVE_ADDRESS, '20010db8000200000000000000000002'],
    ['six.example', '20010db8000200000000000000000002'],
    [SERVER_ADDRESS, 'cb007178'],
  ] as const;
  const asking = targets.map(async ([target, from]) => {
    const words = [...PROXY.split(':'), target, `${PORT}`, '1200', '20'];
    const client = programOf(host, user, process.execPath, SOCKS_UDP, ...words);
    expect(await client.exited, client.output).toBe(0);
    expect(client.stdout.trim()).toBe(`answered 20 of 20 from ${from}`);
  });
  await Promise.all(asking);
  await expectStrangerDropped(host, echo);
}

/** Root's association hears root alone, before root's first datagram and after it. */
async function expectStrangerDropped(host: Namespace, echo: Running): Promise<void> {
  const words = [UDP_STRANGER, ...PROXY.split(':'), NATIVE_ADDRESS, `${PORT}`, `${makeUser().id}`];
  const asking = host.spawn(process.execPath, words);
  expect(await asking.exited, asking.output).toBe(0);
  const lines = ['stranger 1: nothing', 'owner 1: owner 1', 'stranger 2: nothing', 'owner 2: owner 2'];
  expect(asking.stdout.trim().split('\n')).toEqual(lines);
  expect(echo.output).toContain('got owner 2');
  expect(echo.output).not.toContain('got stranger');
}
