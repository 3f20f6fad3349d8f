/** Signals, and the keys of a terminal, for a program of `teredo exec`. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { makeUser, withRightsOf } from '../support/guest.ts';
import { withOpenTun } from '../support/open-tun.ts';
import { PROGRAM, startServer } from '../support/roles.ts';
import { timeToEnd } from '../support/stopwatch.ts';

const TERMINAL = fileURLToPath(new URL('../support/terminal.py', import.meta.url));
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR2'] as const;
/** A program that names each signal, and ends at SIGUSR1. */
const NAMING =
  `for (const s of ${JSON.stringify(SIGNALS)}) process.on(s, () => console.log('got', s));` +
  `process.on('SIGUSR1', () => process.exit(3)); setInterval(() => {}, 1e6); console.log('ready')`;

let net: Internet;
let host: Namespace;
beforeAll(async () => {
  net = new Internet();
  host = net.site('a', 'port-restricted').client;
  await startServer(net.server, SERVER_ADDRESS);
});
afterAll(() => net[Symbol.asyncDispose]());

/** `teredo exec` by a user, in a process group of its own. */
function exec(...words: readonly string[]): Running {
  const user = makeUser();
  return host.spawn('setsid', ['unshare', ...withOpenTun(...withRightsOf(user, ...commandOf(...words)))], {
    TEREDO_RUNTIME_DIR: user.folder,
  });
}

function commandOf(...words: readonly string[]): string[] {
  return [process.execPath, PROGRAM, 'exec', '--server', SERVER_ADDRESS, '--', ...words];
}

/** A command of a user on a terminal; `steps`: keys, each after a text. */
function onTerminal(steps: readonly (readonly [string, string])[], ...words: readonly string[]): Running {
  const user = makeUser();
  const terminal = ['python3', TERMINAL, JSON.stringify(steps), ...withRightsOf(user, ...words)];
  return host.spawn('unshare', withOpenTun(...terminal), {
    TEREDO_RUNTIME_DIR: user.folder,
    PS1: '$ ',
  });
}

/** The words of a shell for a command. */
function inShell(...words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

test.for([
  ['the client alone', (pid: number) => pid],
  ['its process group', (pid: number) => -pid],
] as const)('each signal to %s reaches the program once', async ([, target]) => {
  const running = exec(process.execPath, '-e', NAMING);
  await running.waitFor(/ready/);
  for (const [i, signal] of SIGNALS.entries()) {
    process.kill(target(running.pid), signal);
    await running.waitFor(new RegExp(`(got \\w+\n){${i + 1}}`));
  }
  process.kill(target(running.pid), 'SIGUSR1');
  expect(await running.exited, running.output).toBe(3);
  expect(running.stdout).toBe(`ready\n${SIGNALS.map((signal) => `got ${signal}\n`).join('')}`);
});

test.for(Array.from({ length: IS_ALL ? 50 : 1 }, (_, i) => i))(
  'a signal that the program sends to its group at once reaches it once (%i)',
  async () => {
    const running = exec('sh', '-c', `trap 'echo got' USR2; kill -USR2 0; sleep 0.6; sleep 0.1; exit 3`);
    expect(await running.exited, running.output).toBe(3);
    expect(running.stdout).toBe('got\n');
  },
);

test('SIGTSTP to the client alone stops it and the program, and SIGCONT continues both', async () => {
  // A shell with jobs keeps the group from being an orphan, which no such signal stops.
  const words = inShell(
    ...commandOf('sh', '-c', `trap 'echo continued' CONT; echo ready; while :; do sleep 0.1; done`),
  );
  const script =
    `cd $TEREDO_RUNTIME_DIR; touch out; ${words} >out 2>&1 & until grep -q ready out; do sleep 0.1; done; ` +
    `program=$(pgrep -f '^sh -c trap .echo'); kill -TSTP $!; ` +
    // In a shell of its own: bash leaves its loops when one of its jobs stops.
    `sh -c 'for pid in "$@"; do until grep -q ^State:.T /proc/$pid/status; do sleep 0.1; done; done' sh $! $program; echo stopped; ` +
    `kill -CONT $!; until grep -q continued out; do sleep 0.1; done; kill $!; wait; grep -c continued out`;
  const running = onTerminal([], 'bash', '-mc', script);
  expect(await running.exited, running.output).toBe(0);
  expect(running.output).toMatch(/^stopped\r\n[^]*^1\r\n$/m);
});

test('Ctrl-C and Ctrl-\\ reach the program once, and end a program and the script around it', async () => {
  const keys = [
    ['ready', '\x03'],
    ['got SIGINT', '\x1c'],
    ['got SIGQUIT', '\x03'],
  ] as const;
  const naming = onTerminal(keys, ...commandOf(process.execPath, '-e', `${NAMING}; ${ENDING}`));
  await naming.exited;
  expect(naming.output.match(/got \w+/g)).toEqual(['got SIGINT', 'got SIGQUIT', 'got SIGINT']);
  // Not a shell: dash loses a signal that comes while it starts a program.
  const script = `${inShell(...commandOf(process.execPath, '-e', WAITING))}; echo next $?`;
  const scripted = onTerminal([['ready', '\x03']], 'bash', '-c', script);
  await scripted.exited;
  expect(naming.output + scripted.output).not.toContain('too late');
  expect(scripted.output).toContain('ready');
  expect(scripted.output).not.toContain('next');
});

const WAITING = `console.log('ready'); setInterval(() => {}, 1e6)`;
/** The second SIGINT is the last. */
const ENDING = `let n = 0; process.on('SIGINT', () => { if (++n === 2) process.exit(0); })`;

test('Ctrl-C before the program runs ends the command', async () => {
  const words = [
    process.execPath,
    PROGRAM,
    'exec',
    '--server',
    '192.0.2.1',
    '--log-level',
    'info',
    '--',
    'true',
  ];
  const running = onTerminal(
    [['started', '\x03']],
    'sh',
    '-c',
    `(sleep 1; echo started) & exec ${inShell(...words)}`,
  );
  const ms = await timeToEnd(running.pid, running.exited);
  expect(running.output).not.toContain('too late');
  expect(ms).toBeLessThan(4_000);
});

test('after a shell in a script, the script reads from the terminal', async () => {
  const script = `${inShell(...commandOf('bash', '--norc', '-i'))}; read -r line; echo "read: $line"`;
  const keys = [
    ['$ ', 'echo in"side"; exit\n'],
    ['inside', 'typed\n'],
  ] as const;
  const running = onTerminal(keys, 'bash', '-c', script);
  expect(await running.exited, running.output).toBe(0);
  expect(running.output).toContain('read: typed');
});

test('after a shell in a script was killed, the script reads from the terminal', async () => {
  const script = `${inShell(...commandOf('bash', '--norc', '-i'))}; read -r line; echo "read: $line"`;
  const keys = [
    ['$ ', 'kill -9 $$\n'],
    ['kill', 'typed\n'],
  ] as const;
  const running = onTerminal(keys, 'bash', '-c', script);
  expect(await running.exited, running.output).toBe(0);
  expect(running.output).toContain('read: typed');
});

test('Ctrl-Z stops, fg continues', async () => {
  const command = inShell(...commandOf('sh', '-c', 'echo begun; read -r line; echo "got $line"'));
  const keys = [
    ['$ ', `${command}\n`],
    ['begun\r\n', '\x1a'],
    ['$ ', 'jobs; fg\n'],
    ['Stopped', 'typed\n'],
    ['got typed', 'exit 5\n'],
  ] as const;
  const running = onTerminal(keys, 'bash', '--norc', '-i');
  expect(await running.exited, running.output).toBe(5);
});

test.for(IS_ALL ? ['-c', '-mc'] : ['-mc'])(
  'nohup (bash %s): SIGHUP ends neither the command nor the program',
  async (mode) => {
    const print = `grep SigIgn /proc/self/status; echo ready >&2; while [ ! -e $TEREDO_RUNTIME_DIR/end ]; do sleep 0.1; done; echo survived`;
    const command = inShell('nohup', ...commandOf('sh', '-c', print));
    const script = `cd $TEREDO_RUNTIME_DIR; ${command} >out 2>&1 & until grep ready out; do sleep 0.1; done; kill -HUP $!; touch end; wait; cat out`;
    const running = onTerminal([], 'bash', mode, script);
    expect(await running.exited, running.output).toBe(0);
    expect(running.output).toMatch(/SigIgn:\s+[0-9a-f]*1\b/);
    expect(running.output).toContain('survived');
  },
);
