import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { stopwatch } from '../../../test/support/stopwatch.ts';
import { searchDirectories } from '../../control/control-path.ts';
import { networkNamespace } from '../../control/network-namespace.ts';
import { findOne } from './ask-daemon.ts';
import { drainCommand } from './drain.ts';
import { peersCommand } from './peers.ts';
import { readyCommand } from './ready.ts';
import { reloadCommand } from './reload.ts';
import { statusCommand } from './status.ts';

vi.mock(import('../../control/control-path.ts'), async (original) => ({
  ...(await original()),
  searchDirectories: vi.fn<typeof searchDirectories>(),
}));
vi.mock('../output.ts', () => ({
  printLine: () => {},
  printJson: () => {},
  printColumns: () => {},
  jsonText: () => '{}',
}));

const [HERE, ELSEWHERE] = [networkNamespace(), 'net:[1]'];

/** Two folders of control sockets, and the requests for more than a status. */
let [first, second, changes]: [string, string, string[]] = ['', '', []];
beforeEach(() => {
  [first, second] = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'teredo-ask-'))) as [string, string];
  changes = [];
  vi.mocked(searchDirectories).mockReturnValue([first, second]);
  onTestFinished(() => [first, second].forEach((one) => rmSync(one, { recursive: true, force: true })));
});

/** A daemon that answers each request; `mute`: it hangs up. */
async function daemon(
  folder: string,
  name: string,
  role: string,
  namespace: string,
  mute = false,
  file?: string,
) {
  const path = join(folder, `${name}.sock`);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (line: Buffer) => {
      const { command } = JSON.parse(line.toString()) as { command: string };
      if (command !== 'status') changes.push(`${command} ${path}`);
      const result = {
        name,
        role,
        file,
        networkNamespace: namespace,
        state: 'running',
        address: '192.0.2.1',
        dataPath: { inUse: 'user' },
        peers: command === 'peers' ? [] : { trusted: 1 },
        changed: [],
        needRestart: [],
      };
      socket.end(mute ? '' : JSON.stringify({ ok: true, result }));
    });
  });
  server.listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return path;
}

const drain = (...names: string[]) => drainCommand().parseAsync(names, { from: 'user' });
const peers = (...names: string[]) => peersCommand().parseAsync(names, { from: 'user' });
const reload = (...names: string[]) => reloadCommand(() => {}).parseAsync(names, { from: 'user' });

test('without a name one of several relays is neither drained nor reloaded', async () => {
  await daemon(first, 'one', 'relay', HERE);
  await daemon(first, 'two', 'relay', HERE);
  await expect(drain()).rejects.toThrow('several daemons are running (one, two): say which');
  await expect(reload()).rejects.toThrow('several daemons are running (one, two): say which');
  expect(changes).toEqual([]);
});

test('the only relay is drained while other daemons run', async () => {
  const path = await daemon(first, 'one', 'relay', HERE);
  await daemon(first, 'two', 'server', HERE);
  await daemon(second, 'three', 'relay', ELSEWHERE);
  await drain();
  expect(changes).toEqual([`drain ${path}`]);
});

test.each([
  ['drain', drain],
  ['reload', reload],
])('%s with a name goes to the daemon of this network namespace only', async (command, run) => {
  await daemon(first, 'relay', 'relay', ELSEWHERE);
  const path = await daemon(second, 'relay', 'relay', HERE);
  await run('relay');
  expect(changes).toEqual([`${command} ${path}`]);
});

test('peers with a name are those of the daemon of this network namespace', async () => {
  await daemon(first, 'relay', 'relay', ELSEWHERE);
  const path = await daemon(second, 'relay', 'relay', HERE);
  await peers('relay');
  expect(changes).toContain(`peers ${path}`);
});

const COMMANDS = [
  ['drain', drain],
  ['reload', reload],
  ['peers', peers],
] as const;

test.each(COMMANDS)('%s: two daemons of one name elsewhere are ambiguous', async (command, run) => {
  const paths = [
    await daemon(first, 'relay', 'relay', ELSEWHERE),
    await daemon(second, 'relay', 'relay', 'net:[2]'),
  ];
  await expect(run('relay')).rejects.toMatchObject({
    exitCode: 2,
    message: `several daemons named "relay" are running (${paths.join(', ')}): ask in the network namespace of one`,
  });
  expect(changes.filter((one) => command !== 'peers' && one.startsWith(command))).toEqual([]);
});

test.each(COMMANDS)('%s: two daemons of one name here are ambiguous, too', async (_, run) => {
  const paths = [
    await daemon(first, 'relay', 'relay', HERE), //
    await daemon(second, 'relay', 'relay', HERE),
  ];
  await expect(run('relay')).rejects.toMatchObject({
    exitCode: 2,
    message: `several daemons named "relay" are running (${paths.join(', ')}): start one of them with another --name`,
  });
});

test('a reload is for the daemon of this configuration file, although others have its name', async () => {
  const path = await daemon(first, 'main', 'relay', HERE, false, '/etc/teredo/relay.toml');
  const other = await daemon(first, 'relay', 'relay', HERE, false, '/etc/teredo/main.toml');
  await daemon(first, 'home', 'client', HERE);
  for (const given of ['relay', '/etc/teredo/relay.toml', 'main', 'home']) await reload(given);
  const reloaded = [path, path, other, join(first, 'home.sock')];
  expect(changes).toEqual(reloaded.map((one) => `reload ${one}`));
});

test('a reload of a file that no daemon was started from names the file', async () => {
  await daemon(first, 'relay', 'relay', HERE, false, '/etc/teredo/relay.toml');
  await expect(reload('/etc/teredo/office.toml')).rejects.toMatchObject({
    exitCode: 3,
    message: 'no teredo daemon with the configuration file /etc/teredo/office.toml is running here',
  });
  await daemon(first, 'mute', 'relay', HERE, true);
  await expect(reload('/etc/teredo/office.toml')).rejects.toThrow('ended without an answer');
  expect(changes).toEqual([]);
});

test.each([
  ['drain', drain],
  ['reload', reload],
])('%s without a name changes no daemon while another one here does not answer', async (_, run) => {
  await daemon(first, 'one', 'relay', HERE);
  await daemon(first, 'two', 'relay', HERE, true);
  await expect(run()).rejects.toThrow('ended without an answer');
  expect(changes).toEqual([]);
});

test('a reload changes no other daemon of that name while the one of the file does not answer', async () => {
  await daemon(first, 'main', 'relay', HERE, true, '/etc/teredo/relay.toml');
  await daemon(first, 'relay', 'relay', HERE, false, '/etc/teredo/main.toml');
  await expect(reload('relay')).rejects.toThrow('ended without an answer');
  expect(changes).toEqual([]);
});

test('a reload is never for a daemon of another file that has the name', async () => {
  await daemon(first, 'relay', 'relay', HERE, false, '/etc/teredo/main.toml');
  await expect(reload('relay')).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringContaining('say "teredo reload /etc/teredo/main.toml"') as unknown,
  });
  expect(changes).toEqual([]);
});

test('of several daemons of one file, the name of one says which is reloaded', async () => {
  const file = '/etc/teredo/relay.toml';
  await daemon(first, 'a', 'relay', HERE, false, file);
  const path = await daemon(first, 'b', 'relay', HERE, false, file);
  await expect(reload('relay')).rejects.toMatchObject({
    exitCode: 2,
    message: `several daemons run from ${file} (a, b): give the name of one`,
  });
  await reload('b');
  expect(changes).toEqual([`reload ${path}`]);
});

/** A daemon that takes requests and gives no answer. */
async function hangingDaemon(name: string): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.resume();
    onTestFinished(() => void socket.destroy());
  });
  server.listen(join(first, `${name}.sock`));
  await once(server, 'listening');
  onTestFinished(() => void server.close());
}

test('ready --wait: --timeout ends also the look at a daemon that hangs', async () => {
  await hangingDaemon('hangs');
  const [watch, begun] = [stopwatch(), performance.now()];
  const command = readyCommand(() => {}).parseAsync(['--wait', '--timeout', '1'], { from: 'user' });
  await expect(command).rejects.toMatchObject({ exitCode: 5 });
  expect(performance.now() - begun).toBeGreaterThan(900);
  expect(watch()).toBeLessThan(4_000);
});

test('ready and status: a daemon that ends the connection is a failure, although another one works', async () => {
  await daemon(first, 'works', 'server', HERE);
  await daemon(first, 'ends', 'server', HERE, true);
  const codes: number[] = [];
  await readyCommand((code) => codes.push(code)).parseAsync([], { from: 'user' });
  await statusCommand((code) => codes.push(code)).parseAsync(['--json'], { from: 'user' });
  expect(codes).toEqual([1, 1]);
});

test('a daemon elsewhere does not stand in for one that does not answer', async () => {
  await daemon(first, 'relay', 'relay', HERE, true);
  await daemon(second, 'relay', 'relay', ELSEWHERE);
  await expect(findOne('relay')).rejects.toThrow('ended without an answer');
});
