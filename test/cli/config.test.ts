/** Configuration files, as an operator uses them. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PROGRAM_AS_NOBODY, asNobody, openFolder } from '../support/nobody.ts';
import { PROGRAM } from '../support/roles.ts';

function folderWith(name: string, ...lines: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-config-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  return folder;
}

function teredo(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, TEREDO_CONFIG_DIR: folder, ...env },
  });
  return { status, stdout, stderr };
}

const CLIENT = ['role = "client"', '[client]', 'servers = ["a.example"]', 'refresh = 45'];

test('a good file is checked by its name or path, and shown with the source of each value', () => {
  const folder = folderWith('home.toml', ...CLIENT);
  const path = join(folder, 'home.toml');
  expect(teredo(folder, ['config', 'check', 'home'])).toEqual({
    status: 0,
    stdout: `${path}: no errors, a client "home"\n`,
    stderr: '',
  });
  const { stdout } = teredo('/nonexistent', ['config', 'show', path, '--port', '7000'], {
    TEREDO_DEFAULT_ROUTE: 'never',
  });
  const rows = stdout.split('\n').map((row) => row.replaceAll(/ +/g, ' '));
  expect(rows).toContain('servers a.example file');
  expect(rows).toContain('port 7000 --port');
  expect(rows).toContain('default-route never TEREDO_DEFAULT_ROUTE');
  expect(rows).toContain('interface teredo default');
});

test('a check notes the variables that are wrong here, or change a value, and does not fail for them', () => {
  const folder = folderWith('home.toml', ...CLIENT);
  const path = join(folder, 'home.toml');
  const variables = {
    TEREDO_SERVRE: 'x',
    TEREDO_PORT: 'many',
    TEREDO_REFRESH: '30',
    TEREDO_INTERFACE: 'tun7',
    TEREDO_SERVER: 'a.example',
    TEREDO_LIMIT: 'peers.trusted=5',
  };
  const refused = 'note: "teredo run" would not start in this environment:';
  expect(teredo(folder, ['config', 'check', 'home'], variables)).toEqual({
    status: 0,
    stdout: `${path}: no errors, a client "home"\n`,
    stderr: [
      `${refused} TEREDO_SERVRE is no option: did you mean "TEREDO_SERVER"?`,
      `${refused} TEREDO_PORT: "many" is not a UDP port from 1 to 65535`,
      'note: TEREDO_INTERFACE sets interface to tun7 instead of teredo',
      'note: TEREDO_REFRESH sets refresh to 30 instead of 45',
      'note: TEREDO_LIMIT sets limits.peers.trusted to 5',
      '',
    ].join('\n'),
  });
});

test('a bad file does not start a daemon: exit status 2, each error with file and line', () => {
  const folder = folderWith('home.toml', ...CLIENT, 'prot = 7', 'inbound = "closed"');
  const path = join(folder, 'home.toml');
  const lines = [
    `teredo: ${path} has 2 errors:`,
    `${path}:5:1: there is no key "prot" in [client]: did you mean "port"?`,
    `${path}:6:11: inbound: "closed" is none of accept, refuse`,
    '',
  ];
  for (const command of [['run'], ['config', 'check'], ['config', 'show']])
    expect(teredo(folder, [...command, 'home'])).toEqual({ status: 2, stdout: '', stderr: lines.join('\n') });
});

test('a file that the configuration names is checked as at the start', () => {
  const folder = folderWith(
    'server.toml',
    'role = "server"',
    '[server]',
    'address = "127.0.0.1"',
    'keys = "/no/keys"',
  );
  const reason = 'cannot read /no/keys: there is no such file';
  const [checked, started] = [['config', 'check'], ['run']].map((command) =>
    teredo(folder, [...command, 'server']),
  );
  expect(checked).toEqual({
    status: 2,
    stdout: '',
    stderr: `teredo: ${join(folder, 'server.toml')}:4:8: keys: ${reason}\n`,
  });
  expect(started).toEqual({ status: 2, stdout: '', stderr: `teredo: ${reason}\n` });
});

test('a wrong flag, a misspelled variable and a missing file: exit status 2', () => {
  const folder = folderWith('home.toml', ...CLIENT);
  expect(teredo(folder, ['run', 'home', '--prot', '7'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("unknown option '--prot'\n(Did you mean --port?)") as string,
  });
  const misspelled = 'TEREDO_SERVRE is no option: did you mean "TEREDO_SERVER"?';
  for (const args of [
    ['run', 'home'],
    ['client', '--server', 'a.example'],
  ])
    expect(teredo(folder, args, { TEREDO_SERVRE: 'x' })).toMatchObject({
      status: 2,
      stderr: `teredo: environment: ${misspelled}\n`,
    });
  expect(teredo(folder, ['run', 'office'])).toMatchObject({
    status: 2,
    stderr: `teredo: cannot read ${join(folder, 'office.toml')}: there is no such file\n`,
  });
});

test('a file that other accounts may write is refused', () => {
  const folder = folderWith('home.toml', ...CLIENT);
  chmodSync(join(folder, 'home.toml'), 0o666);
  const { status, stderr } = teredo(folder, ['run', 'home']);
  expect([status, stderr]).toEqual([2, expect.stringContaining('other accounts may write into')]);
});

test('a file that the user may not read is not permitted (4), and no wrong configuration', asNobody, () => {
  const folder = openFolder();
  const file = join(folder, 'home.toml');
  const run = () => {
    const [command, ...words] = PROGRAM_AS_NOBODY;
    const { status, stderr } = spawnSync(command, [...words, 'run', file], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    return [status, stderr];
  };
  writeFileSync(file, `${CLIENT.join('\n')}\n`, { mode: 0o600 });
  const readable = `chown root:teredo ${file} && chmod 640 ${file}`;
  const begin = `teredo: not permitted to read ${file}: uid 65534 needs the right to`;
  expect(run()).toEqual([4, `${begin} read it; for the systemd unit: ${readable}\n`]);
  chmodSync(folder, 0o700);
  const moved = 'for the systemd unit: move the file to /etc/teredo';
  expect(run()).toEqual([4, `${begin} enter ${folder} (x); ${moved}\n`]);
});

test('a required option may come from the environment', () => {
  const { status, stderr } = teredo('/nonexistent', ['server'], { TEREDO_ADDRESS: 'nowhere' });
  expect([status, stderr]).toEqual([2, expect.stringContaining('TEREDO_ADDRESS: "nowhere" is not an IPv4')]);
});
