/** Real programs with `teredo proxy`, on a host without IPv6. */
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, execute } from '../../src/lab/index.ts';
import type { Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { exec, makeUser } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { PROXY, programOf, proxyOf } from '../support/proxy.ts';
import { startRelay, startServer } from '../support/roles.ts';

const BROWSE = fileURLToPath(new URL('../support/browse.mjs', import.meta.url));
const SOCKS_DNS = fileURLToPath(new URL('../support/socks-dns.mjs', import.meta.url));
const PORT = 8_000;
const NOBODY = 65_534;
const SSH_OPTIONS = [
  '-o',
  'StrictHostKeyChecking=no',
  '-o',
  'UserKnownHostsFile=/dev/null',
  '-o',
  'BatchMode=yes',
  '-o',
  'LogLevel=ERROR',
];
/** One name has an address. */
const DNSMASQ = [
  '--keep-in-foreground',
  '--log-facility=-',
  '--conf-file=/dev/null',
  '--no-resolv',
  '--no-hosts',
  '--user=root',
  '--pid-file=',
  '--address=/some.example/192.0.2.77',
];
const BIG_OCTETS = 512 << 20;
const BIG =
  `const { Readable } = require('stream'); const piece = Buffer.alloc(1 << 20); ` +
  `require('http').createServer((q, s) => { s.setHeader('Content-Length', ${BIG_OCTETS}); ` +
  `let n = 0; Readable.from((function* () { while (n++ < ${BIG_OCTETS} / piece.length) yield piece; })()).pipe(s); })` +
  `.listen(${PORT}, '::', () => console.log('listening'));`;
/** Serves the files of a folder; a script of the page shows the asker's address when it has come. */
const FILES = (folder: string): string => `
const { createReadStream } = require('fs');
require('http').createServer((q, s) => {
  const path = new URL(q.url, 'http://a').pathname;
  if (path === '/') return s.setHeader('Content-Type', 'text/html').end('<body><script src="/who.js"></script></body>');
  if (path === '/who.js') return s.end('document.body.append(' + JSON.stringify(q.socket.remoteAddress) + '); document.title = "loaded"');
  createReadStream('${folder}' + path).on('error', () => { s.statusCode = 404; s.end(); }).pipe(s);
}).listen(${PORT}, '::', () => console.log('listening'));`;

describe.runIf(IS_ALL)('real programs', () => {
  test('git clones, and Chromium loads a page, from a host that has IPv6 alone', async () => {
    await using net = new Internet();
    const [host, user] = [net.site('a', 'port-restricted').client, makeUser()];
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    const folder = repositoryIn(user.folder);
    await net.native.spawn(process.execPath, ['-e', FILES(folder)]).waitFor(/listening/);
    const proxy = proxyOf(host, user, [], [`${NATIVE_ADDRESS} six.example`]);
    await proxy.waitFor(/the proxy at/);
    const url = `http://six.example:${PORT}/`;
    const as = (...words: string[]): ReturnType<typeof programOf> =>
      programOf(host, user, 'env', `HOME=${user.folder}`, ...words);

    for (const way of ['socks5h', 'http']) {
      const clone = join(user.folder, way);
      const git = as('git', '-c', `http.proxy=${way}://${PROXY}`, 'clone', '-q', `${url}one.git`, clone);
      expect(await git.exited, git.output).toBe(0);
      expect(execute('cat', [join(clone, 'file')])).toBe('contents');
    }
    const browser = as(process.execPath, BROWSE, PROXY, url);
    expect(await browser.exited, browser.output).toBe(0);
    expect(browser.stdout.trim()).toMatch(/^2001:0:/);
  });

  test('ssh, git over ssh, and a question to a name server over UDP', async () => {
    await using net = new Internet();
    // ssh needs a user with a name.
    const [host, user] = [net.site('a', 'port-restricted').client, makeUser(NOBODY)];
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    const { key, config } = sshFiles(user);
    const sshd = 'mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f "$0"';
    await net.native.spawn('unshare', ['--mount', 'sh', '-c', sshd, config]).waitFor(/listening on :: port/);
    await net.native.spawn('dnsmasq', DNSMASQ).waitFor(/started/);
    const proxy = proxyOf(host, user, [], [`${NATIVE_ADDRESS} six.example`]);
    await proxy.waitFor(/the proxy at/);
    const as = (...words: string[]): ReturnType<typeof programOf> => programOf(host, user, ...words);
    const served = repositoryIn(user.folder);

    for (const way of ['5', 'connect']) {
      const command = `nc.openbsd -X ${way} -x ${PROXY} %h %p`;
      const options = ['-F', 'none', '-i', key, '-o', `ProxyCommand=${command}`, ...SSH_OPTIONS];
      const ssh = as(
        'ssh',
        ...options,
        '-p',
        '2222',
        'root@six.example',
        'echo $SSH_CONNECTION; seq 100000 | cksum',
      );
      expect(await ssh.exited, ssh.output).toBe(0);
      const [from, sum] = ssh.stdout.trim().split('\n');
      expect(from).toMatch(/^2001:0:/);
      expect(sum).toBe(execute('sh', ['-c', 'seq 100000 | cksum']).trim());
      const clone = join(user.folder, `clone-${way}`);
      const shell = ['ssh', ...options].map((word) => `'${word}'`).join(' ');
      const url = `ssh://root@six.example:2222${join(served, 'one.git')}`;
      const git = as(
        'env',
        `HOME=${user.folder}`,
        `GIT_SSH_COMMAND=${shell}`,
        'git',
        'clone',
        '-q',
        url,
        clone,
      );
      expect(await git.exited, git.output).toBe(0);
      expect(execute('cat', [join(clone, 'file')])).toBe('contents');
    }
    const dns = as(process.execPath, SOCKS_DNS, ...PROXY.split(':'), 'six.example', 'some.example');
    expect(await dns.exited, dns.output).toBe(0);
    expect(dns.stdout.trim()).toBe('192.0.2.77');
  });

  test('a download through the proxy, and one in exec', async () => {
    await using net = new Internet();
    const [host, user] = [net.site('a', 'port-restricted').client, makeUser()];
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    await net.native.spawn(process.execPath, ['-e', BIG]).waitFor(/listening/);
    const words = ['curl', '-sS', '-o', '/dev/null', '-w', '%{size_download} %{speed_download}'];
    const url = `http://[${NATIVE_ADDRESS}]:${PORT}/`;
    const rateOf = async (running: Running): Promise<number> => {
      expect(await running.exited, running.output).toBe(0);
      const [size, speed] = running.stdout.trim().split(' ').map(Number);
      expect(size).toBe(BIG_OCTETS);
      return (8 * speed!) / 1e6;
    };
    const inExec = await rateOf(exec(host, user, ...words, url));
    const proxy = proxyOf(host, user);
    await proxy.waitFor(/the proxy at/);
    const byProxy = await rateOf(programOf(host, user, ...words, '--proxy', `socks5h://${PROXY}`, url));
    const ratio = byProxy / inExec;
    console.log(`exec ${Math.round(inExec)} Mbit/s, proxy ${Math.round(byProxy)}: ${ratio.toFixed(2)}`);
    expect(ratio).toBeGreaterThan(0.2);
  });
});

/** The host key of a server, and the key of a user that it takes for root; the configuration of the server. */
function sshFiles(user: User): { readonly key: string; readonly config: string } {
  const file = (name: string): string => join(user.folder, name);
  for (const name of ['host-key', 'key'])
    execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)]);
  chownSync(file('key'), user.id, user.id);
  const lines = [
    'Port 2222',
    `HostKey ${file('host-key')}`,
    `AuthorizedKeysFile ${file('key.pub')}`,
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    'PermitRootLogin prohibit-password',
  ];
  writeFileSync(file('sshd.conf'), [...lines, ''].join('\n'));
  return { key: file('key'), config: file('sshd.conf') };
}

/** A folder with a repository, for git's protocol over plain files. */
function repositoryIn(parent: string): string {
  const folder = join(parent, 'served');
  const work = join(folder, 'one');
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'file'), 'contents');
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example'];
  for (const words of [
    ['init', '-q'],
    ['add', 'file'],
    [...identity, 'commit', '-q', '-m', 'one'],
  ])
    execute('git', ['-C', work, ...words]);
  const bare = join(folder, 'one.git');
  execute('git', ['clone', '-q', '--bare', work, bare]);
  execute('git', ['-C', bare, 'update-server-info']);
  return folder;
}
