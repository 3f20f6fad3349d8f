/**
 * The roles under the AppArmor profile of the Debian package, on a kernel with AppArmor: apparmor.test.ts starts this in a guest. It changes
 * files of its system, so it runs nowhere else.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  execute,
  ping,
} from '../../src/lab/index.ts';

/** The package. */
const DEB = process.env['TEREDO_TEST_DEB'];
const MANAGER = fileURLToPath(new URL('../support/service-manager.py', import.meta.url));
const PROFILE = '/etc/apparmor.d/teredo';
const RIGHTS = '+net_admin,+net_raw,+bpf,+perfmon';
const FOLDERS = ['TEREDO_RUNTIME_DIR=/run/teredo', 'STATE_DIRECTORY=/var/lib/teredo'];

/** A command with the account, the rights and the profile of the unit. */
const asInUnit = (...command: string[]): string[] => [
  ...['env', ...FOLDERS, 'setpriv', '--reuid', 'teredo', '--regid', 'teredo', '--clear-groups'],
  ...['--inh-caps', RIGHTS, '--ambient-caps', RIGHTS, '--no-new-privs'],
  ...['aa-exec', '-p', 'teredo', '--', ...command],
];
const sh = (script: string, ...args: string[]): string => execute('sh', ['-ec', script, ...args]);
/** Refusals of the kernel by this profile. */
const refused = (): string[] =>
  execute('dmesg', [])
    .split('\n')
    .filter((line) => /apparmor="DENIED".* profile="teredo"/.test(line));

describe.runIf(DEB !== undefined)('under the AppArmor profile', () => {
  beforeAll(() => {
    sh('dpkg-deb --fsys-tarfile "$0" | tar -x -C / --keep-directory-symlink --no-overwrite-dir', DEB!);
    sh(`mount -t securityfs securityfs /sys/kernel/security && apparmor_parser -r -T ${PROFILE}`);
    sh(
      'systemd-sysusers && mkdir -p /run/teredo /var/lib/teredo && chown teredo: /run/teredo /var/lib/teredo',
    );
    expect(readFileSync('/sys/kernel/security/apparmor/profiles', 'utf8')).toContain('teredo (enforce)');
  }, 300_000);

  test('the roles do all their work, and take over descriptors', { timeout: 900_000 }, async () => {
    writeFileSync('/etc/teredo/server.toml', `role = "server"\n[server]\naddress = "${SERVER_ADDRESS}"\n`);
    writeFileSync('/etc/teredo/relay.toml', `role = "relay"\n[relay]\naddress = "${RELAY_ADDRESS}"\n`);
    writeFileSync('/etc/teredo/client.toml', `role = "client"\n[client]\nservers = ["${SERVER_ADDRESS}"]\n`);
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const start = (host: typeof net.server, name: string) => {
      const [command, ...args] = asInUnit('/usr/bin/teredo', 'run', name);
      return host.spawn('python3', [MANAGER, '64', '30', '0', command!, ...args]);
    };
    await start(net.server, 'server').waitFor(/READY=1/);
    const relay = start(net.relay, 'relay');
    await relay.waitFor(/READY=1/);
    const client = start(site.client, 'client');
    await client.waitFor(/qualified: 2001:0:/);
    expect(await ping(site.client, NATIVE_ADDRESS, 30_000)).toBeDefined();

    relay.kill('SIGHUP');
    await relay.waitFor(/started \d+ with (?!nothing)[^]*READY=1/);
    expect(await ping(site.client, NATIVE_ADDRESS, 30_000)).toBeDefined();
    const [command, ...args] = asInUnit('/usr/bin/teredo', 'reload', 'relay');
    expect(execute(command!, args)).toContain('nothing has changed');
    for (const { output } of [relay, client]) expect(output).not.toContain('data path: user');
    expect(refused()).toEqual([]);
  });

  test('they write to no other place', () => {
    const [command, ...args] = asInUnit('touch', '/tmp/written');
    expect(() => execute(command!, args)).toThrow('Permission denied');
    expect(refused()).toHaveLength(1);
  });
});
