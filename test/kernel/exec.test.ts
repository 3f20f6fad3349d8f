/** `teredo exec`: a program of an ordinary user has IPv6 through Teredo. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';
import { asUser, exec, makeUser, processesOf, withRightsOf } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { KINDS } from '../support/nat-limits.ts';
import { startMiredoRelay } from '../support/miredo.ts';
import { withOpenTun } from '../support/open-tun.ts';
import { PROGRAM, startRelay, startServer } from '../support/roles.ts';

const PORT = 8_000;
/** An HTTP server that answers with the address of the asker. */
const WEB =
  `require('http').createServer((q, s) => s.end(q.socket.remoteAddress + '\\n')).listen(${PORT}, '::', ` +
  `() => console.log('listening'))`;
/** Prints the answer of such a server. */
const ask = (address: string): string[] => [
  process.execPath,
  '-e',
  `fetch('http://[${address}]:${PORT}/').then((r) => r.text()).then(console.log)`,
];

/** An echo server over UDP, and a program that prints its answer. */
const ECHO =
  `const s = require('dgram').createSocket('udp6'); s.on('message', (m, f) => s.send(m, f.port, f.address));` +
  `s.bind(${PORT}, () => console.log('listening'))`;
const ASK_ECHO =
  `const s = require('dgram').createSocket('udp6'); s.on('message', (m) => { console.log(m.length, 'octets back'); s.close(); });` +
  `s.send(Buffer.alloc(1_100), ${PORT}, process.argv[1])`;

async function withService(net: Internet): Promise<void> {
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
}

/** The Teredo address, which the line at the start names. */
async function addressOf(running: Running): Promise<string> {
  return (await running.waitFor(/IPv6 address (\S+):/))[1]!;
}

test.for(IS_ALL ? KINDS : everyNth(5, KINDS))(
  'behind a NAT (%s): ping, UDP, and TCP both ways',
  async (kind) => {
    await using net = new Internet();
    const [site, user] = [net.site('a', kind), makeUser()];
    await withService(net);
    const ping = exec(site.client, user, 'ping', '-c', '2', '-i', '0.2', NATIVE_ADDRESS);
    expect(await ping.exited, ping.output).toBe(0);
    const native = net.native.spawn(process.execPath, ['-e', WEB]);
    await native.waitFor(/listening/);
    const out = exec(site.client, user, ...ask(NATIVE_ADDRESS));
    expect(await out.exited, out.output).toBe(0);
    expect(out.stdout).toMatch(/^2001:0:/);
    if (IS_ALL) {
      const page = exec(site.client, user, 'curl', '-sS', `http://[${NATIVE_ADDRESS}]:${PORT}/`);
      expect(await page.exited, page.output).toBe(0);
      expect(page.stdout).toMatch(/^2001:0:/);
    }
    await net.native.spawn(process.execPath, ['-e', ECHO]).waitFor(/listening/);
    const udp = exec(site.client, user, process.execPath, '-e', ASK_ECHO, NATIVE_ADDRESS);
    expect(await udp.exited, udp.output).toBe(0);
    expect(udp.stdout).toBe('1100 octets back\n');
    const inside = exec(site.client, user, process.execPath, '-e', WEB);
    await inside.waitFor(/listening/);
    const back = net.native.spawn(ask(await addressOf(inside))[0]!, ask(await addressOf(inside)).slice(1));
    expect(await back.exited, back.output).toBe(0);
    expect(back.stdout.trim()).toBe(NATIVE_ADDRESS);
    await inside.stop();
    await expectNothingLeft(user);
  },
);

test('two users at once, behind two NATs: they talk directly', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'address-restricted')];
  const users = [makeUser(), makeUser()] as const;
  await startServer(net.server, SERVER_ADDRESS);
  const serving = exec(b.client, users[1], process.execPath, '-e', WEB);
  await serving.waitFor(/listening/);
  const asking = exec(a.client, users[0], ...ask(await addressOf(serving)));
  expect(await asking.exited, asking.output).toBe(0);
  expect(asking.stdout).toMatch(/^2001:0:/);
});

test.runIf(IS_ALL)('two users on one host at once: each has an address of its own', async () => {
  const { net, host } = await lab();
  await using _ = net;
  await startRelay(net.relay, RELAY_ADDRESS);
  await net.native.spawn(process.execPath, ['-e', WEB]).waitFor(/listening/);
  const script = `${ask(NATIVE_ADDRESS).map(quoted).join(' ')}; exec sleep 1000`;
  const running = [makeUser(), makeUser()].map((user) => exec(host, user, 'sh', '-c', script));
  const answers = await Promise.all(running.map((one) => one.waitFor(/^2001:0:\S+$/m)));
  expect(new Set(answers.map(([address]) => address)).size).toBe(2);
});

test('the program keeps its user, gains no rights, and gives its exit status', async () => {
  const run = await lab();
  await using _ = run.net;
  const open = 'for fd in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && echo "$fd is open"; done';
  const script = `id -u; grep CapEff /proc/self/status; ${open}; exit 7`;
  const running = exec(run.host, run.user, 'sh', '-c', script);
  expect(await running.exited, running.output).toBe(7);
  expect(running.stdout).toBe(`${run.user.id}\nCapEff:\t${'0'.repeat(16)}\n`);
  const missing = exec(run.host, run.user, 'no-such-program');
  expect(await missing.exited, missing.output).toBe(127);
  expect(missing.output).toMatch(/cannot run no-such-program: no such program/);
});

test('the program gets no other open files', async () => {
  const run = await lab();
  await using _ = run.net;
  const open = ['bash', '-c', 'exec 5</dev/null 20</dev/null 251</dev/null; exec "$@"', 'bash'];
  const list =
    'for fd in 3 4 5 6 7 8 9 20 251; do [ -e /proc/$$/fd/$fd ] && echo "$fd is open"; done; echo listed';
  const command = [PROGRAM, 'exec', '--server', SERVER_ADDRESS, '--', 'sh', '-c', list];
  const words = withOpenTun(...open, ...withRightsOf(run.user, process.execPath, ...command));
  const running = run.host.spawn('unshare', words, { TEREDO_RUNTIME_DIR: run.user.folder });
  expect(await running.exited, running.output).toBe(0);
  expect(running.stdout).toBe('listed\n');
});

test('a signal reaches the program', async () => {
  const run = await lab();
  await using _ = run.net;
  const script = `trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done`;
  const running = exec(run.host, run.user, 'sh', '-c', script);
  await running.waitFor(/ready/);
  running.kill('SIGTERM');
  expect(await running.exited, running.output).toBe(3);
  expect(running.stdout).toMatch(/caught/);
});

const SLEEPING = 'setsid sleep 1000 & echo ready; sleep 1001; echo over';
const VICTIMS: Readonly<Record<string, (words: readonly string[]) => boolean>> = {
  'the client': (words) => words[2] === 'exec',
  unshare: ([program]) => program === 'unshare',
  'the first process inside': (words) => words[2]?.startsWith('again()') === true,
  'the program': (words) => words[2] === SLEEPING,
};

/** In the long form 20 times: a process may be killed at any moment of its start. */
const KILLS = Array.from({ length: IS_ALL ? 20 : 1 });

test.for(Object.keys(VICTIMS))('kill -9 of %s leaves nothing', async (victim) => {
  const run = await lab();
  await using _ = run.net;
  for (const _kill of KILLS) await killOnce(run, VICTIMS[victim]!);
});

async function killOnce(
  run: Awaited<ReturnType<typeof lab>>,
  isVictim: (words: readonly string[]) => boolean,
): Promise<void> {
  const running = exec(run.host, run.user, 'sh', '-c', SLEEPING);
  await running.waitFor(/ready/);
  // Between its fork and its exec, a process still has the words of its parent.
  const pid = await until('one process that is to be killed', () => {
    const found = processesOf(run.user).filter(({ words }) => isVictim(words));
    return found.length === 1 ? found[0]!.pid : undefined;
  });
  process.kill(pid, 'SIGKILL');
  expect(await running.exited).not.toBe(0);
  await expectNoProcess(run.user);
}

test('--inbound refuse: only answers come in', async () => {
  const run = await lab();
  await using _ = run.net;
  await startRelay(run.net.relay, RELAY_ADDRESS);
  const native = run.net.native.spawn(process.execPath, ['-e', WEB]);
  await native.waitFor(/listening/);
  const script = `${ask(NATIVE_ADDRESS).map(quoted).join(' ')} && exec ${[process.execPath, '-e', WEB].map(quoted).join(' ')}`;
  const words = ['exec', '--server', SERVER_ADDRESS, '--inbound', 'refuse', '--', 'sh', '-c', script];
  const inside = asUser(run.host, run.user, ...words);
  await inside.waitFor(/incoming connections are refused/);
  const [, address] = await inside.waitFor(/^(2001:0:\S+)$/m);
  await inside.waitFor(/listening/);
  const connect = `require('net').connect(${PORT}, process.argv[1]).setTimeout(1_500, () => process.exit(9)).on('connect', () => process.exit(0))`;
  const asking = run.net.native.spawn(process.execPath, ['-e', connect, address!]);
  expect(await asking.exited, asking.output).toBe(9);
});

test.runIf(IS_ALL)('200 starts and ends leave nothing', { timeout: 600_000 }, async () => {
  const run = await lab();
  await using _ = run.net;
  const open = (): string => run.host.execute('ss', '-Hanx46');
  const before = open();
  for (let i = 0; i < 200; i++) {
    const running = exec(run.host, run.user, 'true');
    expect(await running.exited, running.output).toBe(0);
  }
  await expectNothingLeft(run.user);
  expect(open()).toBe(before);
});

test.runIf(IS_ALL)('a miredo relay carries to and from a native host', async () => {
  const run = await lab();
  await using _ = run.net;
  startMiredoRelay(run.net.relay, RELAY_ADDRESS);
  await until('the relay', () => run.net.relay.ip('-o', 'link').includes('teredo') || undefined);
  const ping = exec(run.host, run.user, 'ping', '-c', '2', '-i', '0.2', NATIVE_ADDRESS);
  expect(await ping.exited, ping.output).toBe(0);
  const inside = exec(run.host, run.user, process.execPath, '-e', WEB);
  await inside.waitFor(/listening/);
  const [program, ...words] = ask(await addressOf(inside));
  const back = run.net.native.spawn(program!, words);
  expect(await back.exited, back.output).toBe(0);
});

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

async function lab(): Promise<{ net: Internet; host: Namespace; user: User }> {
  const net = new Internet();
  const host = net.site('a', 'port-restricted').client;
  await startServer(net.server, SERVER_ADDRESS);
  return { net, host, user: makeUser() };
}

async function expectNothingLeft(user: User): Promise<void> {
  await expectNoProcess(user);
  expect(readdirSync(user.folder)).toEqual([]);
}

/** A namespace ends with its processes. */
async function expectNoProcess(user: User): Promise<void> {
  await until('the end of all processes', () => processesOf(user).length === 0 || undefined);
}
