/** The Debian package: checked, installed in a bare Debian 12, its roles run there, and purged. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const DEB = `teredo_${version}_amd64.deb`;
const UNIT = '/lib/systemd/system/teredo@.service';
/** Runs a command in a Debian, with file systems of this machine's kernel. The mounts go with the process. */
const INSIDE = `for name in proc sys dev; do mount --rbind /$name "$0/$name" || exit; done
mount -t tmpfs run "$0/run" && mkdir -m 777 "$0/run/teredo" && exec chroot "$0" "$@"`;
/** Files that installing and removing any package changes. */
const OF_PACKAGING =
  /^\/(var\/(cache|log|lib\/(dpkg|apt|systemd))\/|etc\/((passwd|group|shadow|gshadow|subuid|subgid)-|\.pwd\.lock))/;

const CONFIGURATIONS = {
  server: `role = "server"\n[server]\naddress = "${SERVER_ADDRESS}"\n`,
  relay: `role = "relay"\n[relay]\naddress = "${RELAY_ADDRESS}"\n`,
  client: `role = "client"\n[client]\nservers = ["${SERVER_ADDRESS}"]\n`,
};

describe.skipIf(!IS_ALL || process.getuid?.() !== 0)('the Debian package', () => {
  let work: string;
  let debian: string;
  let before: string[];

  const insideArgs = (...command: string[]): string[] => ['-m', 'sh', '-c', INSIDE, debian, ...command];
  const inside = (...command: string[]): string => execute('unshare', insideArgs(...command));
  const aptGet = (...args: string[]): string =>
    inside('env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-y', '-qq', ...args);
  /** All files, and the folders of the package. */
  const files = (): string[] =>
    inside('find', '/', '-xdev', '(', '-not', '-type', 'd', '-o', '-path', '*teredo*', ')')
      .split('\n')
      .filter((file) => !OF_PACKAGING.test(file))
      .sort();

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'teredo-deb-'));
    debian = join(work, 'debian');
    execute(process.execPath, [join(ROOT, 'scripts', 'package.mjs'), '--fast', '--out', work, 'amd64']);
    // With the packages that this one depends on, so that apt needs no network.
    const included = '--include=libbpf1,iproute2,systemd,man-db';
    execute('mmdebstrap', ['--quiet', '--mode=root', '--variant=apt', included, 'bookworm', debian]);
    copyFileSync(join(work, DEB), join(debian, DEB));
    before = files();
    aptGet('install', '--no-install-recommends', `./${DEB}`);
  }, 900_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }), 60_000);

  test('lintian finds nothing but the listed exceptions', { timeout: 300_000 }, () => {
    expect(execute('lintian', ['--allow-root', '--fail-on', 'error,warning', join(work, DEB)])).toBe('');
  });

  test('the program needs no Node.js', () => {
    expect(inside('teredo', '--version')).toBe(`${version}\n`);
    expect(() => inside('sh', '-c', 'command -v node')).toThrow();
  });

  test('systemd finds nothing wrong with the unit, and rates its exposure 2.5 at the most', () => {
    expect(inside('systemd-analyze', 'verify', 'teredo@relay.service')).toBe('');
    inside('systemd-analyze', 'security', '--offline=true', '--threshold=25', UNIT);
  });

  test('manual pages and completion are there', () => {
    expect(inside('man', 'teredo-client')).toContain('--server');
    inside('test', '-e', '/usr/share/bash-completion/completions/teredo');
  });

  test(
    'client, relay and server run with the account and the rights of the unit',
    { timeout: 120_000 },
    async () => {
      for (const [name, text] of Object.entries(CONFIGURATIONS))
        writeFileSync(join(debian, 'etc', 'teredo', `${name}.toml`), text);
      await using net = new Internet();
      const site = net.site('a', 'port-restricted');
      const start = (host: Namespace, name: string): Running =>
        host.spawn(
          'unshare',
          insideArgs(
            'setpriv',
            ...accountOf(readFileSync(join(debian, UNIT), 'utf8')),
            'teredo',
            'run',
            name,
          ),
        );
      await start(net.server, 'server').waitFor(/is running/);
      await start(net.relay, 'relay').waitFor(/is running/);
      const client = start(site.client, 'client');
      await client.waitFor(/qualified: 2001:0:/);
      expect(await ping(site.client, NATIVE_ADDRESS, 10_000)).toBeDefined();
      expect(client.output).not.toContain('data path: user');
    },
  );

  test('purging it leaves nothing', { timeout: 120_000 }, () => {
    aptGet('purge', 'teredo');
    expect(files()).toEqual(before);
    expect(() => inside('getent', 'passwd', 'teredo')).toThrow();
  });
});

/** Arguments of setpriv. */
function accountOf(unit: string): string[] {
  const [, capabilities] = /^AmbientCapabilities=(.*)$/m.exec(unit)!;
  const added = capabilities!.replaceAll('CAP_', '+').toLowerCase().replaceAll(' ', ',');
  const rights = ['--inh-caps', added, '--ambient-caps', added, '--no-new-privs'];
  return ['--reuid', 'teredo', '--regid', 'teredo', '--clear-groups', ...rights];
}
