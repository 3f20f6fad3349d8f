import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { LogLines } from '../io/log-lines.ts';
import type { Configuration } from './configuration/configure.ts';
import { parseConfiguration } from './configuration/file.ts';
import { layered, valuesIn } from './configuration/layers.ts';
import type { GivenValues } from './configuration/layers.ts';
import { ROLES } from './configuration/roles.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { fileVersion } from './file-version.ts';
import { Reload, inWords } from './reload.ts';
import type { Changeable } from './reload.ts';

function configurationOf(...lines: string[]): Configuration {
  const isClient = lines.some((line) => line.startsWith('servers'));
  const head = isClient ? ['role = "client"', '[client]'] : ['role = "relay"', '[relay]'];
  const { role, values } = parseConfiguration(file, [...head, ...lines].join('\n'));
  const layers = [{ source: 'file', values }] as const;
  const effective = layered(ROLES[role].options, layers);
  return { role, path: file, effective, layers, values: valuesIn(effective) };
}

let file = '';
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-reload-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  file = join(folder, 'relay.toml');
  writeFileSync(file, '');
});

/** A daemon whose file has these lines; `edit` gives it others. */
function daemon(...lines: string[]) {
  let text: readonly string[] = lines;
  let fault: Error | undefined;
  let breakage: Error | undefined;
  let ready = Promise.resolve();
  const taken: { values: GivenValues; changed: string[] }[] = [];
  const said: string[] = [];
  vi.spyOn(LogLines.prototype, 'write').mockImplementation((line) => void said.push(line));
  onTestFinished(() => void vi.restoreAllMocks());
  const version = fileVersion(file);
  const reload = new Reload(configurationOf(...lines), async () => configurationOf(...text), version);
  const role = {
    prepare: async (values: GivenValues, changed: ReadonlySet<string>) => {
      await ready;
      if (fault !== undefined) throw fault;
      return () => {
        if (breakage !== undefined) throw breakage;
        taken.push({ values, changed: [...changed] });
      };
    },
  };
  const hang = (): (() => void) => {
    let goOn!: () => void;
    ready = new Promise((resolve) => (goOn = resolve));
    return goOn;
  };
  return {
    taken,
    said,
    hang,
    breakAtCommit: (error: Error | undefined) => (breakage = error),
    refuse: (error: Error) => (fault = error),
    edit: (...other: string[]) => {
      text = other;
      writeFileSync(file, other.join('\n'));
    },
    reload: () => reload.reload(role),
    add: (part: Changeable) => reload.add(part),
    status: () => reload.status(),
  };
}

const ADDRESS = 'address = "192.0.2.1"';

test('live options are taken over, the others are named, at each reload until the restart', async () => {
  const { edit, reload, taken } = daemon(ADDRESS);
  edit(ADDRESS, 'port = 4000', 'deny = ["198.51.100.0/24"]', 'limits.peers.trusted = 7');
  const first = await reload();
  expect(inWords(first)).toBe(
    `${file}: changed: deny (- -> 198.51.100.0/24), limits.peers.trusted (1048576 -> 7); ` +
      'needs a restart: port (3545 -> 4000)',
  );
  expect(taken.map(({ changed }) => changed)).toEqual([['deny', 'limits']]);
  const second = await reload();
  expect(inWords(second)).toBe(`${file}: nothing changed; needs a restart: port (3545 -> 4000)`);
  edit(ADDRESS);
  expect(inWords(await reload())).toContain('limits.peers.trusted (7 -> 1048576)');
  expect(inWords(await reload())).toBe(`${file}: nothing has changed`);
});

test('with an error in the file, or one of the role, nothing is taken over', async () => {
  const { edit, reload, taken, said, refuse } = daemon(ADDRESS);
  edit(ADDRESS, 'prot = 1');
  await expect(reload()).rejects.toThrow(`${file}:4:1: there is no key "prot"`);
  expect(said.at(-1)).toContain('the old configuration stays');
  edit(ADDRESS, 'deny = "198.51.100.0/24"');
  refuse(new CommandFailure(EXIT.USAGE, 'no such server'));
  await expect(reload()).rejects.toThrow('no such server');
  expect(taken).toEqual([]);
});

test('an error after the preparation is said as such, and the next reload gives all these options again', async () => {
  const { edit, reload, taken, said, breakAtCommit } = daemon(ADDRESS);
  edit(ADDRESS, 'limits.peers.trusted = 7', 'deny = ["198.51.100.0/24"]');
  breakAtCommit(new Error('ENOMEM'));
  const words =
    'ENOMEM: a part of the new configuration may be in force; reload again, or restart the daemon';
  await expect(reload()).rejects.toThrow(words);
  expect(said.join()).toContain(words);
  expect(said.join()).not.toContain('the old configuration stays');
  breakAtCommit(undefined);
  edit(ADDRESS);
  await reload();
  expect(taken.map(({ changed }) => changed.toSorted())).toEqual([['deny', 'limits']]);
});

test('the status says how far the file is in force', async () => {
  const { edit, reload, status, breakAtCommit } = daemon(ADDRESS);
  const good = { inForce: true, changedSinceRead: false, refused: false, needRestart: [] };
  expect(status()).toEqual(good);
  edit(ADDRESS, 'prot = 1');
  expect(status()).toEqual({ ...good, inForce: false, changedSinceRead: true });
  await expect(reload()).rejects.toThrow('there is no key "prot"');
  expect(status()).toEqual({ ...good, inForce: false, refused: true });
  edit(ADDRESS, 'port = 4000');
  expect(status()).toEqual({ ...good, inForce: false, changedSinceRead: true });
  await reload();
  expect(status()).toEqual({ ...good, inForce: false, needRestart: ['port'] });
  rmSync(file);
  expect(status()).toMatchObject({ inForce: false, changedSinceRead: true });
  edit(ADDRESS, 'deny = "198.51.100.0/24"');
  breakAtCommit(new Error('ENOMEM'));
  await expect(reload()).rejects.toThrow('ENOMEM');
  expect(status()).toMatchObject({ inForce: false, refused: true });
  breakAtCommit(undefined);
  await reload();
  expect(status()).toEqual(good);
});

test('values that are not ready in time are not taken, and the next reload is not late either', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { edit, reload, taken, said, hang } = daemon(ADDRESS);
  edit(ADDRESS, 'limits.peers.trusted = 7');
  const goOn = hang();
  const outcomes = Promise.allSettled([reload(), reload()]);
  await vi.advanceTimersByTimeAsync(29_000);
  const reason = expect.objectContaining({ exitCode: EXIT.TIMED_OUT }) as Error;
  expect(await outcomes).toEqual([
    { status: 'rejected', reason },
    { status: 'rejected', reason },
  ]);
  expect(said.at(-1)).toContain('the old configuration stays');
  goOn();
  expect(inWords(await reload())).toContain('limits.peers.trusted (1048576 -> 7)');
  expect(taken).toHaveLength(1);
});

test('reloads that are asked for meanwhile are one more, which sees the latest file', async () => {
  const { edit, reload, taken } = daemon(ADDRESS);
  edit(ADDRESS, 'limits.peers.trusted = 7');
  const first = reload();
  edit(ADDRESS, 'limits.peers.trusted = 8');
  const others = [reload(), reload(), reload()];
  await Promise.all([first, ...others]);
  expect(others[1]).toBe(others[0]);
  expect(taken.length).toBeLessThanOrEqual(2);
  expect(taken.at(-1)?.values['limits']).toEqual(new Map([['peers.trusted', 8]]));
});

test('other contents of a file that an option names are taken, or need a restart, as another value', async () => {
  const [token, secret] = ['token', 'secret'].map((name) => join(dirname(file), name)) as [string, string];
  for (const named of [token, secret]) writeFileSync(named, 'old');
  const lines = [
    'servers = ["192.0.2.1"]',
    'client-id = "a"',
    `listen-token = "${token}"`,
    `secret-file = "${secret}"`,
  ];
  const { reload, taken, status } = daemon(...lines);
  expect(inWords(await reload())).toBe(`${file}: nothing has changed`);
  writeFileSync(token, 'newer');
  expect(status()).toMatchObject({ inForce: false, changedSinceRead: true });
  const change = (option: string, named: string): string =>
    `${option} (old contents of ${named} -> its new contents)`;
  expect(inWords(await reload())).toBe(`${file}: changed: ${change('listen-token', token)}`);
  expect(taken.at(-1)?.changed).toEqual(['listenToken']);
  expect(status()).toMatchObject({ inForce: true });
  writeFileSync(secret, 'newer');
  for (let times = 0; times < 2; times++)
    expect(inWords(await reload())).toBe(
      `${file}: nothing changed; needs a restart: ${change('secret-file', secret)}`,
    );
  expect(status()).toMatchObject({ inForce: false, changedSinceRead: false, needRestart: ['secret-file'] });
});

test('a part of the process takes the values that the role takes, and its error keeps the role from them', async () => {
  const { edit, reload, add, taken } = daemon(ADDRESS);
  const part = { fault: undefined as Error | undefined, changed: [] as string[] };
  add({
    prepare: async (_values, changed) => {
      if (part.fault !== undefined) throw part.fault;
      return () => void (part.changed = [...changed]);
    },
  });
  edit(ADDRESS, 'deny = "198.51.100.0/24"');
  part.fault = new CommandFailure(EXIT.USAGE, 'no such token');
  await expect(reload()).rejects.toThrow('no such token');
  expect(taken).toEqual([]);
  part.fault = undefined;
  await reload();
  expect([part.changed, taken.at(-1)?.changed]).toEqual([['deny'], ['deny']]);
});
