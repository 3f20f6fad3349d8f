/** Real programs with `teredo proxy`, on a host without IPv6. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, execute } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { makeUser } from '../support/guest.ts';
import { PROXY, programOf, proxyOf } from '../support/proxy.ts';
import { startRelay, startServer } from '../support/roles.ts';

const BROWSE = fileURLToPath(new URL('../support/browse.mjs', import.meta.url));
const PORT = 8_000;
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
});

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
