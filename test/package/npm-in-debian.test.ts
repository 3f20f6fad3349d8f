/** The npm package in a Debian 12 that has only Node.js: installed, with unit, account and completion, and removed, as the pages say. */
import { cpSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeFolder } from '../../scripts/npm-files.mjs';
import { execute } from '../../src/lab/index.ts';
import { BareDebian } from '../support/bare-debian.ts';
import { IS_ALL } from '../support/extent.ts';
import { commandOf, commandsOf, withoutManager } from '../support/pages.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const INSTALL = 'docs/guide/install.md';
const UNIT = 'packaging/README.md';

/** Files of npm itself are temporary. The package source may be behind a proxy with a certificate of its own. */
const NPM = [
  'npm_config_cache=/tmp/npm',
  'npm_config_cafile=/etc/ssl/certs/ca-certificates.crt',
  'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt',
];

describe.skipIf(!IS_ALL || process.getuid?.() !== 0)('the npm package in a bare Debian', () => {
  let work: string;
  let debian: BareDebian;
  let before: string[];

  const run = (commands: string): string =>
    debian.run('env', '-C', '/checkout', ...NPM, 'sh', '-ec', commands);

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'teredo-npm-debian-'));
    debian = new BareDebian(join(work, 'debian'), ['libbpf1', 'iproute2', 'systemd']);
    addNode(debian);
    addCheckout(debian);
    before = debian.files();
  }, 900_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }), 300_000);

  test('it is installed', { timeout: 120_000 }, () => {
    run(commandOf('README.md', 'sudo npm install -g "$(npm pack --silent)"'));
    expect(run('teredo --version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('unit, account and completion are installed', () => {
    run(commandsOf(INSTALL, 'npm root -g'));
    run(commandsOf(UNIT, 'npm root -g'));
    expect(debian.hasAccount('teredo')).toBe(true);
    writeFileSync(debian.at('etc/teredo/client.toml'), commandsOf(UNIT, 'role = "client"'));
    run(withoutManager(commandsOf(UNIT, 'systemctl enable --now')));
    expect(debian.run('systemd-analyze', 'verify', '--man=no', 'teredo@client.service')).toBe('');
  });

  test('nothing remains after the removal', () => {
    run(withoutManager(commandsOf(UNIT, 'userdel')));
    run(commandsOf(INSTALL, 'sudo rm '));
    run(commandOf('README.md', 'sudo npm uninstall -g teredo'));
    execute('sh', ['-c', 'rm "$0"/teredo-*.tgz', debian.at('checkout')]); // of `npm pack`
    expect(debian.files()).toEqual(before);
    expect(debian.hasAccount('teredo')).toBe(false);
  });
});

function addNode(debian: BareDebian): void {
  cpSync(join(nodeFolder('x64', '20.19.0'), 'bin', 'node'), debian.at('usr/local/bin/node'));
  const npm = dirname(dirname(realpathSync(execute('sh', ['-c', 'command -v npm']).trim())));
  cpSync(npm, debian.at('usr/local/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', debian.at('usr/local/bin/npm'));
}

/** With the files that `npm ci` and `npm run build` have made. */
function addCheckout(debian: BareDebian): void {
  cpSync(ROOT, debian.at('checkout'), {
    recursive: true,
    filter: (path) => !/\/(node_modules|\.git)(\/|$)/.test(path),
  });
}
