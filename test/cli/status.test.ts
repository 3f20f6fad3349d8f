import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { networkNamespace } from '../../src/control/network-namespace.ts';
import { eventually } from '../support/eventually.ts';
import { PROGRAM_AS_NOBODY, asNobody, openFolder } from '../support/nobody.ts';
import { faultsOf } from '../support/strict-schema.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/teredo', import.meta.url));

/** A folder of control sockets: by name, the answer of the daemon there; undefined: nothing, ever; null: it hangs up. */
async function daemons(answers: Readonly<Record<string, object | undefined | null>>): Promise<string> {
  const folder = openFolder();
  for (const [name, result] of Object.entries(answers)) await daemonAt(join(folder, `${name}.sock`), result);
  return folder;
}

async function daemonAt(path: string, result: object | undefined | null): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    if (result === undefined) onTestFinished(() => void socket.destroy());
    else if (result === null) socket.destroy();
    else socket.end(JSON.stringify({ ok: true, result }));
  });
  server.listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
}

async function teredo(
  folder: string,
  args: readonly string[],
  how: { readonly closeOutput?: boolean; readonly isNobody?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
) {
  const program = how.isNobody === true ? PROGRAM_AS_NOBODY : [process.execPath, PROGRAM];
  const [command, ...words] = [...program, ...args];
  const child = spawn(command!, words, {
    env: { ...process.env, TEREDO_RUNTIME_DIR: folder, ...how.env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  if (how.closeOutput === true) child.stdout.destroy();
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

const answering = {
  version: 1,
  name: 'answering',
  role: 'server',
  state: 'running',
  networkNamespace: networkNamespace(),
};

test('a daemon that hangs is named, and hides none of the others: exit status 5', async () => {
  const folder = await daemons({ answering: { ...answering, dataPath: {} }, hanging: undefined });
  const commands = [['status', '--json'], ['ready']];
  for (const { code, stdout, stderr } of await Promise.all(commands.map((words) => teredo(folder, words)))) {
    expect(stdout).toContain('answering');
    expect(stderr).toMatch(/^no answer from .*hanging\.sock\n$/);
    expect(code).toBe(5);
  }
});

test('alone it is an error of its own: exit status 5', async () => {
  const folder = await daemons({ hanging: undefined });
  const { code, stderr } = await teredo(folder, ['status', 'hanging']);
  expect([code, stderr]).toEqual([5, expect.stringContaining('no answer from')]);
});

test('a reader that has read enough may close the pipe: no trace of an error', async () => {
  const folder = await daemons({ answering });
  const { code, stderr } = await teredo(folder, ['status', '--json', 'answering'], { closeOutput: true });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('a socket that is not ours to open hides none of the others', asNobody, async () => {
  const folder = await daemons({ answering, private: answering });
  chmodSync(folder, 0o755);
  chmodSync(join(folder, 'answering.sock'), 0o666);
  chmodSync(join(folder, 'private.sock'), 0o600);
  const all = await teredo(folder, ['status', '--json'], { isNobody: true });
  expect(all.stdout).toContain('"answering"');
  expect(all.stderr).toMatch(/^not permitted to open .*private\.sock: ask as its owner or as root\n$/);
  expect(all.code).toBe(4);
  expect(await teredo(folder, ['status', 'private'], { isNobody: true })).toMatchObject({
    code: 4,
    stdout: '',
  });
});

const client = { ...answering, role: 'client', name: 'client' };

test.for([
  ['qualified', 0],
  ['offline', 1],
  ['probe', 1],
  ['dormant', 0],
] as const)('a client that is %s: exit status %i, with --json too', async ([state, expected]) => {
  const counters = {};
  const rest = { peers: {}, dataPath: { inUse: 'user' }, access: {}, counters };
  const folder = await daemons({
    answering: { ...answering, ...rest },
    client: { ...client, ...rest, state },
  });
  for (const args of [
    ['status'],
    ['status', 'client'],
    ['status', '--json'],
    ['status', 'client', '--json'],
  ]) {
    const { code, stdout, stderr } = await teredo(folder, args);
    expect([code, stderr], args.join(' ')).toEqual([expected, '']);
    expect(stdout).toContain(state);
  }
  expect((await teredo(folder, ['status', 'answering'])).code).toBe(0);
});

test('a folder that cannot be read is said to be so: exit status 4, with --json too', asNobody, async () => {
  const folder = await daemons({ answering });
  chmodSync(folder, 0o700);
  // Daemons of other tests may run in /run/teredo: without a name these answer.
  await expect(teredo(folder, ['status'], { isNobody: true })).resolves.toMatchObject({
    stderr: expect.stringContaining(`not permitted to look for daemons in ${folder}`) as string,
  });
  for (const args of [
    ['status', 'answering'],
    ['status', 'answering', '--json'],
    ['peers', 'answering'],
  ]) {
    const { code, stdout, stderr } = await teredo(folder, args, { isNobody: true });
    expect([code, stdout], args.join(' ')).toEqual([4, '']);
    expect(stderr).toContain(`not permitted to look for daemons in ${folder}: ask as its owner or as root`);
  }
});

test(
  'so is a folder of another account where all users can make folders: exit status 1',
  asNobody,
  async () => {
    const shared = openFolder();
    chmodSync(shared, 0o1777);
    mkdirSync(join(shared, 'teredo'));
    chownSync(join(shared, 'teredo'), 65533, 65533);
    await daemonAt(join(shared, 'teredo', 'answering.sock'), answering);
    // No user has chosen it: it is there by rule.
    const env = { TEREDO_RUNTIME_DIR: undefined, XDG_RUNTIME_DIR: shared };
    for (const args of [
      ['status', 'answering'],
      ['status', 'answering', '--json'],
    ]) {
      const { code, stderr } = await teredo('', args, { isNobody: true, env });
      expect(code).toBe(1);
      expect(stderr).toContain(
        `${shared}/teredo belongs to another account, or others may write into it: daemons there are not asked`,
      );
    }
  },
);

test('one that hangs up without an answer has not timed out: exit status 1', async () => {
  const folder = await daemons({ rude: null });
  const { code, stderr } = await teredo(folder, ['status', 'rude']);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^teredo: .*rude\.sock ended without an answer/)]);
});

test('an answer that is none, or not understood, hides no other daemon; control characters do not reach the terminal', async () => {
  const fields = { version: 1, role: 'server', networkNamespace: networkNamespace() };
  const folder = await daemons({
    answering,
    empty: {},
    'no-counters': { ...fields, name: 'no-counters' },
    'of-no-role': { ...fields, name: 'red\u001b[31m\u009b1m', counters: {} },
    text: { ...fields, name: 7 },
  });
  const asJson = await teredo(folder, ['status', '--json']);
  expect(asJson.stdout).toContain('"answering"');
  expect(/\p{Cc}/u.test((asJson.stdout + asJson.stderr).replaceAll('\n', ''))).toBe(false);
  expect(asJson.stdout).not.toContain('\\u001b');
  expect(asJson.stdout).toContain('red\ufffd[31m\ufffd1m');
  expect(asJson.stderr.split('\n').filter((line) => line.includes('does not understand'))).toHaveLength(2);
  const asText = await teredo(folder, ['status']);
  expect(asText.stderr).not.toMatch(/TypeError|at .*\.js/);
  expect([asText.code, asText.stderr]).toEqual([1, expect.stringContaining('"no-counters" gave an answer')]);
  for (const args of [
    ['peers', 'empty'],
    ['peers', 'no-counters'],
    ['users', 'empty'],
    ['users', 'no-counters'],
    ['ping', '2001:0:c000:201::1', '-c', '1'],
  ]) {
    const { code, stderr } = await teredo(folder, args);
    expect([code !== 0, stderr], args.join(' ')).toEqual([
      true,
      expect.not.stringMatching(/TypeError|\n +at /),
    ]);
  }
});

const dataPath = { inUse: 'user' };
const serving = { ...answering, name: 'serving', state: 'running', address: '203.0.113.120', dataPath };
const offline = {
  ...answering,
  name: 'offline',
  role: 'client',
  state: 'offline',
  reason: 'no-answer',
  dataPath,
};

test('ready: the exit status and the reasons of all daemons, as status has them', async () => {
  const both = await daemons({ serving, offline });
  const { code, stdout } = await teredo(both, ['ready']);
  expect(stdout).toMatch(
    /^offline: offline: no server answers over UDP.*\nserving: running at 203\.0\.113\.120, user path\n$/,
  );
  expect(code).toBe(1);
  expect(await teredo(both, ['ready', 'serving'])).toMatchObject({ code: 0 });
  for (const name of ['serving', 'offline']) {
    const status = await teredo(both, ['status', name, '--json']);
    expect(status.code).toBe((await teredo(both, ['ready', name])).code);
  }
});

test('ready: there is no such daemon, or one of another version', async () => {
  const folder = await daemons({ answering });
  expect(await teredo(folder, ['ready', 'nobody'])).toMatchObject({ code: 3, stdout: '' });
  expect(await teredo(folder, ['ready', 'answering'])).toMatchObject({ code: 1, stdout: '' });
});

test('ready --json: one object for programs, with the exit status of the words', async () => {
  const folder = await daemons({ serving, offline });
  const { networkNamespace: here } = answering;
  const one = await teredo(folder, ['ready', 'serving', '--json']);
  expect([one.code, JSON.parse(one.stdout)]).toEqual([
    0,
    {
      version: 1,
      ready: true,
      daemons: [
        {
          version: 1,
          name: 'serving',
          role: 'server',
          networkNamespace: here,
          ready: true,
          words: 'running at 203.0.113.120, user path',
        },
      ],
      failures: [],
    },
  ]);
  await daemonAt(join(folder, 'hanging.sock'), undefined);
  const all = await teredo(folder, ['ready', '--json']);
  expect([all.code, all.stderr, JSON.parse(all.stdout)]).toEqual([
    5,
    '',
    expect.objectContaining({
      ready: false,
      daemons: [
        expect.objectContaining({ name: 'offline', ready: false }),
        expect.objectContaining({ name: 'serving', ready: true }),
      ],
      failures: [expect.stringMatching(/^no answer from .*hanging\.sock$/)],
    }),
  ]);
  for (const { stdout } of [one, all]) expect(faultsOf('ready', JSON.parse(stdout))).toEqual([]);
  expect(await teredo(folder, ['ready', 'nobody', '--json'])).toMatchObject({ code: 3, stdout: '' });
});

test('drain --json: one object for programs', async () => {
  const peers = { trusted: 2, unverified: 1 };
  const relay = { ...answering, name: 'relay', role: 'relay', peers, counters: {} };
  const folder = await daemons({ relay });
  const { code, stdout } = await teredo(folder, ['drain', 'relay', '--json']);
  expect([code, JSON.parse(stdout)]).toEqual([
    0,
    { version: 1, name: 'relay', networkNamespace: answering.networkNamespace, state: 'draining', peers },
  ]);
  expect(faultsOf('drain', JSON.parse(stdout))).toEqual([]);
});

test('ready --wait: waits for a daemon that comes, and gives up with the reason', async () => {
  const folder = await daemons({ offline });
  const late = teredo(folder, ['ready', 'late', '--wait', '--timeout', '20']);
  const { code, stdout } = await teredo(folder, ['ready', 'offline', '--wait', '--timeout', '1']);
  expect([code, stdout]).toEqual([5, expect.stringMatching(/^offline: offline: no server/)]);
  await daemonAt(join(folder, 'late.sock'), { ...serving, name: 'late' });
  expect(await late).toMatchObject({ code: 0, stdout: expect.stringMatching(/^late: running/) as unknown });
  expect(await teredo(folder, ['ready', 'nobody', '--wait', '--timeout', '1'])).toMatchObject({ code: 3 });
});

const peer = {
  trusted: true,
  local: false,
  offloaded: false,
  carried: 'none',
  receivedPackets: 1,
  sentPackets: 1,
};
const manyPeers = {
  ...answering,
  total: 3,
  peers: [
    { ...peer, address: '2001:db8::1', receivedBytes: 10, sentBytes: 0, receivedSecondsAgo: 5 },
    { ...peer, address: '2001:db8::2', receivedBytes: 0, sentBytes: 99, receivedSecondsAgo: 9 },
    { ...peer, address: '2001:db8::3', receivedBytes: 20, sentBytes: 5 },
  ],
};

test.for([
  [
    ['--sort', 'traffic'],
    ['2', '3', '1'],
  ],
  [
    ['--sort', 'heard'],
    ['1', '2', '3'],
  ],
  [['--top', '1'], ['2']],
  [
    ['--sort', 'heard', '--top', '2'],
    ['1', '2'],
  ],
] as const)('peers %j', async ([options, order]) => {
  const folder = await daemons({ answering: manyPeers });
  const asJson = await teredo(folder, ['peers', ...options, '--json']);
  const { peers } = JSON.parse(asJson.stdout) as { peers: { address: string }[] };
  expect(peers.map(({ address }) => address)).toEqual(order.map((end) => `2001:db8::${end}`));
});

test('users: a relay for people', async () => {
  const counts = { receivedBytes: 1_200_000, sentBytes: 300_000, errorBytes: 0, share: 0.75 };
  const users = {
    ...answering,
    window: 'minute',
    windowSeconds: 60,
    exact: false,
    totalBytes: 2_000_000,
    missedPeerBytes: 4_000,
    missedPrefixBytes: 0,
    peers: [{ address: '2001:0:1::1', mapped: '192.0.2.1:7', ...counts }],
    prefixes: [{ prefix: '2001:db8::/64', ...counts, errorBytes: 70_000 }],
  };
  const folder = await daemons({ answering: users });
  const { code, stdout } = await teredo(folder, ['users']);
  expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['last 1 min: 2.0 MB from and to clients'],
    [''],
    ['CLIENT', 'IPV4', 'SHARE', 'IN', 'OUT', 'A SECOND', 'ERROR'],
    ['2001:0:1::1', '192.0.2.1:7', '75 %', '1.2 MB', '300 kB', '25 kB', 'none'],
    [''],
    ['NATIVE PREFIX', 'SHARE', 'IN', 'OUT', 'A SECOND', 'ERROR'],
    ['2001:db8::/64', '75 %', '1.2 MB', '300 kB', '25 kB', '70 kB'],
    [''],
    ['There are more clients: some with up to 4.0 kB may be missing.'],
    [''],
  ]);
  expect(code).toBe(0);
  expect(JSON.parse((await teredo(folder, ['users', '--json'])).stdout)).toEqual(users);
});

const running = { ...answering, uptimeSeconds: 5, access: {}, dataPath: {}, counters: {} };

test('--watch repeats the status; an interrupt ends it with the exit status of the last look', async () => {
  const folder = await daemons({ answering: running });
  const child = watching(['status', '--watch'], folder);
  await child.until((text) => text.split('daemon ').length > 2);
  child.process.kill('SIGINT');
  expect(await child.ended).toBe(0);
  expect(child.text()).not.toContain('\u001b');
});

test('--watch redraws a terminal in place, and leaves it as it was', async () => {
  const folder = await daemons({ answering: running });
  // The shell of the account may stay in between, and take the interrupt, too.
  const words = `exec ${process.execPath} ${PROGRAM} status --watch`;
  const child = watching(['-qefc', words, '/dev/null'], folder, 'script');
  await child.until((text) => text.split('\u001b[H').length > 2);
  child.process.stdin!.write('\u0003');
  expect(await child.ended).toBe(0);
  expect(child.text()).toContain('\u001b[?25h\u001b[?1049ldaemon');
});

test('--watch gives the terminal back while it is stopped', async () => {
  const folder = await daemons({ answering: running });
  const inShell = `${process.execPath} ${PROGRAM} status --watch & P=$!; while read W; do kill -$W $P; done`;
  const child = watching(['-qefc', `sh -c '${inShell}'`, '/dev/null'], folder, 'script');
  const count = (part: string) => child.text().split(part).length - 1;
  await child.until(() => count('\u001b[?1049h') === 1);
  child.process.stdin!.write('TSTP\n');
  await child.until(() => count('\u001b[?25h\u001b[?1049l') === 1);
  // The program gives the terminal back before it stops: only then does the signal continue it.
  await child.until(() => {
    child.process.stdin!.write('CONT\n');
    return count('\u001b[?1049h') === 2;
  });
  child.process.stdin!.write('INT\n');
  await child.until(() => count('\u001b[?25h\u001b[?1049l') === 2);
  child.process.stdin!.end();
});

test('--watch leaves the terminal alone in the background, and has it in the foreground', async () => {
  let asked = 0;
  const counted = { toJSON: () => (asked++, running) };
  const folder = await daemons({ answering: counted });
  const inShell = `set -m; ${process.execPath} ${PROGRAM} status --watch & while read W; do $W; done`;
  const child = watching(['-qefc', `sh -c '${inShell}'`, '/dev/null'], folder, 'script');
  await eventually(() => expect(asked).toBeGreaterThan(1));
  expect(child.text()).not.toContain('\u001b');
  child.process.stdin!.write('fg\n');
  await child.until((text) => text.includes('\u001b[?1049h'));
  child.process.stdin!.write('\u001a'); // Ctrl-Z
  await child.until((text) => text.includes('\u001b[?1049l'));
  const before = child.text().split('\u001b[?1049h').length;
  child.process.stdin!.write('bg\n');
  const askedBefore = asked;
  await eventually(() => expect(asked).toBeGreaterThan(askedBefore + 1));
  expect(child.text().split('\u001b[?1049h')).toHaveLength(before);
  child.process.stdin!.write('kill %1\n');
  child.process.stdin!.end();
});

function watching(args: readonly string[], folder: string, program?: string) {
  const [command, ...words] =
    program === undefined ? [process.execPath, PROGRAM, ...args] : [program, ...args];
  const terminal = { TERM: 'xterm', SHELL: '/bin/sh' };
  const child = spawn(command!, words, { env: { ...process.env, ...terminal, TEREDO_RUNTIME_DIR: folder } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const until = (isThere: (text: string) => boolean): Promise<void> =>
    eventually(() => expect(isThere(text), text).toBe(true));
  return { process: child, text: () => text, ended, until };
}
