/** The Debian package: checked, installed in a bare Debian 12 as the pages say, its roles run there, and purged. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  execute,
  ping,
} from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { BareDebian } from '../support/bare-debian.ts';
import { IS_ALL } from '../support/extent.ts';
import { commandOf, withoutManager } from '../support/pages.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const DEB = `teredo_${version}_amd64.deb`;
const UNIT = '/lib/systemd/system/teredo@.service';
/** Those that this package depends on, and AppArmor as on most hosts. */
const PACKAGES = ['libbpf1', 'iproute2', 'systemd', 'man-db', 'apparmor'];

const CONFIGURATIONS = {
  server: `role = "server"\n[server]\naddress = "${SERVER_ADDRESS}"\n`,
  relay: `role = "relay"\n[relay]\naddress = "${RELAY_ADDRESS}"\n`,
  client: `role = "client"\n[client]\nservers = ["${SERVER_ADDRESS}"]\n`,
};

describe.skipIf(!IS_ALL || process.getuid?.() !== 0)('the Debian package', () => {
  let work: string;
  let debian: BareDebian;
  let before: string[];

  /** Follows a page, as an administrator would. */
  const follow = (page: string, command: string, name = 'NAME'): string =>
    debian.run('sh', '-ec', withoutManager(commandOf(page, command).replaceAll('NAME', name)));

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'teredo-deb-'));
    execute(process.execPath, [join(ROOT, 'scripts', 'package.mjs'), '--fast', '--out', work, 'amd64']);
    debian = new BareDebian(join(work, 'debian'), PACKAGES);
    mkdirSync(debian.at('packages'));
    copyFileSync(join(work, DEB), debian.at(`packages/${DEB}`));
    writeFileSync(debian.at('etc/apt/apt.conf.d/no-recommends'), 'APT::Install-Recommends "false";\n');
    before = debian.files();
    follow('README.md', `sudo apt install ./packages/${DEB}`);
  }, 900_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }), 300_000);

  test('lintian finds nothing but the listed exceptions', { timeout: 300_000 }, () => {
    expect(execute('lintian', ['--allow-root', '--fail-on', 'error,warning', join(work, DEB)])).toBe('');
  });

  test('the program needs no Node.js', () => {
    expect(debian.run('teredo', '--version')).toBe(`${version}\n`);
    expect(() => debian.run('sh', '-c', 'command -v node')).toThrow();
  });

  test('systemd finds nothing wrong with the unit, and rates its exposure 2.5 at the most', () => {
    expect(debian.run('systemd-analyze', 'verify', 'teredo@relay.service')).toBe('');
    debian.run('systemd-analyze', 'security', '--offline=true', '--threshold=25', UNIT);
  });

  test('the AppArmor of this Debian understands the profile, and later ones get the rule for user namespaces', () => {
    debian.run('apparmor_parser', '--skip-kernel-load', '--skip-cache', '/etc/apparmor.d/teredo');
    debian.run('test', '!', '-e', '/etc/apparmor.d/teredo-userns');
    writeFileSync(debian.at('etc/apparmor.d/abi/4.0'), '');
    debian.run('dpkg-trigger', '--by-package=apparmor', '/etc/apparmor.d/abi/4.0');
    debian.run('dpkg', '--triggers-only', 'teredo');
    debian.run('test', '-e', '/etc/apparmor.d/teredo-userns');
    rmSync(debian.at('etc/apparmor.d/abi/4.0'));
  });

  test('manual pages, completion and the page of the dashboard are there', () => {
    debian.run('test', '-s', '/usr/lib/teredo/dist/dashboard.html');
    expect(follow('docs/guide/install.md', 'man teredo')).toContain('teredo-client(8)');
    expect(debian.run('man', 'teredo-client')).toContain('--server');
    debian.run('test', '-e', '/usr/share/bash-completion/completions/teredo');
  });

  test(
    'client, relay and server run with the account and the rights of the unit',
    { timeout: 120_000 },
    async () => {
      for (const [name, text] of Object.entries(CONFIGURATIONS))
        writeFileSync(debian.at(`etc/teredo/${name}.toml`), text);
      await using net = new Internet();
      const site = net.site('a', 'port-restricted');
      const start = (host: Namespace, name: string): Running =>
        host.spawn('unshare', debian.args('setpriv', ...account(), 'teredo', 'run', name));
      await start(net.server, 'server').waitFor(/is running/);
      await start(net.relay, 'relay').waitFor(/is running/);
      const client = start(site.client, 'client');
      await client.waitFor(/qualified: 2001:0:/);
      expect(await ping(site.client, NATIVE_ADDRESS, 10_000)).toBeDefined();
      expect(client.output).not.toContain('data path: user');
    },
  );
  const account = (): string[] => accountOf(readFileSync(debian.at(UNIT), 'utf8'));

  test('a role is checked and enabled as the guide says', () => {
    for (const name of ['server', 'relay']) {
      follow('docs/guide/install.md', 'sudo teredo config check NAME', name);
      follow('docs/guide/install.md', 'sudo systemctl enable --now teredo@NAME', name);
      debian.run('test', '-L', `/etc/systemd/system/multi-user.target.wants/teredo@${name}.service`);
    }
  });

  test('removing it leaves the configuration, and purging it nothing', { timeout: 120_000 }, () => {
    follow('docs/guide/install.md', 'sudo apt remove teredo');
    debian.run('test', '-e', '/etc/teredo/relay.toml');
    expect(() => debian.run('sh', '-c', 'command -v teredo')).toThrow();
    follow('README.md', 'sudo apt purge teredo');
    expect(debian.files()).toEqual(before);
    expect(debian.hasAccount('teredo')).toBe(false);
  });
});

/** Arguments of setpriv. */
function accountOf(unit: string): string[] {
  const [, capabilities] = /^AmbientCapabilities=(.*)$/m.exec(unit)!;
  const added = capabilities!.replaceAll('CAP_', '+').toLowerCase().replaceAll(' ', ',');
  const rights = ['--inh-caps', added, '--ambient-caps', added, '--no-new-privs'];
  return ['--reuid', 'teredo', '--regid', 'teredo', '--clear-groups', ...rights];
}
