import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { CommandFailure } from '../exit-codes.ts';
import { configure, faultsWithFiles } from './configure.ts';
import { FILE_OPTIONS } from './named-files.ts';
import { ROLES } from './roles.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'teredo-files-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

function fileWith(name: string, text: string, mode = 0o600): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode });
  return file;
}

/** The failure of a check of this file, in lines. */
async function check(role: string, ...lines: string[]): Promise<[exitCode: number, ...lines: string[]]> {
  const file = fileWith('it.toml', [`role = "${role}"`, `[${role}]`, ...lines].join('\n'));
  try {
    await configure(file, () => ({}), {}, faultsWithFiles);
    return [0];
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return [error.exitCode, ...error.lines.map((line) => line.replaceAll(`${folder}/`, ''))];
  }
}

const SERVER = 'address = "192.0.2.1"';
const CLIENT = 'servers = ["192.0.2.1"]';

test('each option that names a file has a check of the file', () => {
  const named = Object.values(ROLES).flatMap(({ options }) =>
    Object.entries(options).flatMap(([name, option]) =>
      'kind' in option && option.kind.placeholder === '<file>' ? name : [],
    ),
  );
  expect(FILE_OPTIONS.toSorted()).toEqual([...new Set(named)].toSorted());
});

test('good files have no faults', async () => {
  const keys = fileWith('keys', 'one secret\n');
  const token = fileWith('token', '0123456789abcdef'.repeat(2));
  const both = [`keys = "${keys}"`, `listen-token = "${token}"`];
  expect(await check('server', SERVER, ...both)).toEqual([0]);
  expect(await check('client', CLIENT, 'client-id = "one"', `secret-file = "${keys}"`)).toEqual([0]);
});

test('the faults of all files are listed, at the places of their options', async () => {
  const keys = fileWith('keys', 'one secret\ntwo\n');
  const token = fileWith('token', 'abc', 0o644);
  expect(
    await check(
      'server',
      SERVER,
      `keys = "${keys}"`,
      `listen-token = "${token}"`,
      'announce-secondary = "192.0.2.1"',
    ),
  ).toEqual([
    2,
    'it.toml has 3 errors:',
    'it.toml:4:8: keys: keys, line 2: want "CLIENT-ID SECRET" or "CLIENT-ID SECRET expired"',
    expect.stringMatching(/^it\.toml:5:16: listen-token: token can be read by all users of this host: /),
    expect.stringMatching(
      /^it\.toml:6:22: announce-secondary: 192\.0\.2\.1 is the server's first address already/,
    ),
  ]);
});

test.each([
  ['server', [SERVER, 'keys = "/nowhere/keys"'], /keys: cannot read \/nowhere\/keys: there is no such file$/],
  ['relay', [SERVER, 'listen-token = "/etc"'], /listen-token: cannot read \/etc: it is a folder$/],
  ['client', [CLIENT, 'client-id = "a"', 'secret-file = "/nowhere"'], /secret-file: cannot read \/nowhere: /],
  ['client', [CLIENT, 'client-id = ""', 'secret-file = "/nowhere"'], /client-id: "" has 0 bytes/],
])('a %s with %j does not start, and the check says so', async (role, lines, why) => {
  const [exitCode, ...said] = await check(role, ...lines);
  expect([exitCode, said.join('\n')]).toEqual([2, expect.stringMatching(why)]);
});

test.each([
  [[SERVER, 'secondary = "192.0.2.2"', 'announce = "198.51.100.1"'], /announce-secondary: is needed where/],
  [
    ['address = "223.255.255.255"', 'announce-secondary = "198.51.100.2"'],
    /secondary: 224\.0\.0\.0 is not the/,
  ],
])('an option that %j lack is a fault of the file, too', async (lines, why) => {
  const [exitCode, ...said] = await check('server', ...lines);
  expect([exitCode, said.join('\n')]).toEqual([2, expect.stringMatching(why)]);
});

test('a FIFO is left to the role, which can read it only once', async () => {
  const fifo = join(folder, 'fifo');
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
  expect(await check('server', SERVER, `keys = "${fifo}"`)).toEqual([0]);
});
