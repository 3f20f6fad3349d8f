/**
 * A server that a service manager restarts: its sockets go to the next process, and on the kernel path the program of the old process answers until
 * that of the new one does.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { Internet, RELAY_ADDRESS, SERVER_ADDRESS, SERVER_SECONDARY, until } from '../../src/lab/index.ts';
import { attachedPrograms } from '../support/attached-programs.ts';
import { IS_ALL } from '../support/extent.ts';
import { Questions } from '../support/questions.ts';
import type { Answered } from '../support/questions.ts';
import { statusOf } from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';

const OTHER = '203.0.113.122';
const EVERY_MS = 10;

const optionsOf = (address: string, secondary: string, path: string, workers = 1): string[] => [
  ...['--address', address, '--secondary', secondary, '--data-path', path, '--workers', String(workers)],
];

test('with several workers, a server that is restarted answers every solicitation; with another number of them the start is clean', async () => {
  await using net = new Internet();
  const usual = optionsOf(SERVER_ADDRESS, SERVER_SECONDARY, 'user', 3);
  const next = optionsOf(SERVER_ADDRESS, SERVER_SECONDARY, 'user', 2);
  const server = await ManagedRole.start(net.server, 'server', usual);
  const questions = await ask(net, SERVER_ADDRESS, SERVER_SECONDARY);
  await server.restart();
  expect(await lostOf(questions, server, 'user')).toEqual([0, 0]);
  const names = (workers: number): string[] =>
    ['primary', 'secondary'].flatMap((port) =>
      Array.from({ length: workers }, (_, i) => `${port}-${i + 1}-of-${workers}`),
    );
  expect(keptBy(server)).toEqual(names(3));
  expect(server.output).not.toContain('were removed');
  await server.stop();
  const changed = await ManagedRole.start(net.server, 'server', usual, next);
  await changed.restart();
  expect(changed.output).toContain('clean start: descriptors of the last process (');
  await changed.restart();
  expect(keptBy(changed)).toEqual(names(2));
  await ask(net, SERVER_ADDRESS, SERVER_SECONDARY);
  await changed.stop();
  expect(net.server.execute('cat', '/proc/net/udp')).not.toContain(TEREDO_PORT);
});

test('a server that stands still for 6 s does not pass for one that answers', async () => {
  await using net = new Internet();
  const server = await ManagedRole.start(
    net.server,
    'server',
    optionsOf(SERVER_ADDRESS, SERVER_SECONDARY, 'user'),
  );
  const questions = await ask(net, SERVER_ADDRESS);
  const { pid } = server;
  process.kill(pid, 'SIGSTOP');
  const timer = setTimeout(() => process.kill(pid, 'SIGCONT'), 6_000);
  onTestFinished(() => clearTimeout(timer));
  const asked = Date.now();
  await until('solicitations without an answer', () => Date.now() - asked > 200);
  expect((await lostOf(questions, server, 'user path, stopped for 6 s'))[0]).toBeGreaterThan(0);
  clearTimeout(timer);
  process.kill(pid, 'SIGCONT');
});

describe.for(['kernel', 'user'] as const)('%s path', (path) => {
  const usual = optionsOf(SERVER_ADDRESS, SERVER_SECONDARY, path);

  test('a server that is restarted answers every solicitation, at both addresses', async () => {
    await using net = new Internet();
    const server = await ManagedRole.start(net.server, 'server', usual);
    const questions = await ask(net, SERVER_ADDRESS, SERVER_SECONDARY);
    for (let i = 0; i < (IS_ALL ? 5 : 1); i++) await server.restart();
    expect(await lostOf(questions, server, path)).toEqual([0, 0]);
    expect(keptBy(server)).toEqual(['primary', 'secondary', ...(path === 'kernel' ? [LINK] : [])]);
    expect(attachedPrograms(net.server).includes('serve')).toBe(path === 'kernel');
    expect(server.output).not.toContain('were removed');
    expect(await statusOf(net.server, 'server')).toMatchObject({ dataPath: { inUse: path } });
    await server.stop();
    expect(net.server.execute('cat', '/proc/net/udp')).not.toContain(TEREDO_PORT);
    expect(attachedPrograms(net.server)).not.toContain('serve');
  });

  test.runIf(IS_ALL)(
    'with another second address the first one still answers every solicitation',
    async () => {
      await using net = new Internet();
      net.server.ip('address', 'add', `${OTHER}/24`, 'dev', 'wan');
      const next = optionsOf(SERVER_ADDRESS, OTHER, path);
      const server = await ManagedRole.start(net.server, 'server', usual, next);
      const questions = await ask(net, SERVER_ADDRESS);
      await server.restart();
      expect(await lostOf(questions, server, path)).toEqual([0]);
      expect(server.output).toMatch(
        /(?<!clean start: )descriptors of the last process \(secondary\) do not fit/,
      );
      expect(addressesOf(net)).toEqual([SERVER_ADDRESS, OTHER]);
      await ask(net, SERVER_ADDRESS, OTHER);
    },
  );

  test.runIf(IS_ALL)('with another first address the start is clean', async () => {
    await using net = new Internet();
    net.server.ip('address', 'add', `${OTHER}/24`, 'dev', 'wan');
    const next = optionsOf(OTHER, SERVER_SECONDARY, path);
    const server = await ManagedRole.start(net.server, 'server', usual, next);
    await ask(net, SERVER_ADDRESS, SERVER_SECONDARY);
    await server.restart();
    expect(server.output).toMatch(
      /clean start: descriptors of the last process \(primary, secondary(, link-ingress-\d+)?\) do not fit/,
    );
    expect(addressesOf(net)).toEqual([SERVER_SECONDARY, OTHER]);
    await ask(net, OTHER, SERVER_SECONDARY);
  });
});

test.runIf(IS_ALL)(
  'the programs of the kernel path go where the next process takes the user path',
  async () => {
    await using net = new Internet();
    const [first, next] = ['kernel', 'user'].map((path) => optionsOf(SERVER_ADDRESS, SERVER_SECONDARY, path));
    const server = await ManagedRole.start(net.server, 'server', first!, next);
    expect(attachedPrograms(net.server)).toContain('serve');
    const questions = await ask(net, SERVER_ADDRESS, SERVER_SECONDARY);
    await server.restart();
    expect(await lostOf(questions, server, 'kernel, then user')).toEqual([0, 0]);
    expect(attachedPrograms(net.server)).not.toContain('serve');
  },
);

test.runIf(IS_ALL)(
  'kernel path: a server that is killed loses at most one solicitation of each address',
  async () => {
    await using net = new Internet();
    const usual = optionsOf(SERVER_ADDRESS, SERVER_SECONDARY, 'kernel');
    const server = await ManagedRole.start(net.server, 'server', usual);
    const questions = await ask(net, SERVER_ADDRESS, SERVER_SECONDARY);
    await server.kill();
    for (const lost of await lostOf(questions, server, 'kernel, kill -9'))
      expect(lost).toBeLessThanOrEqual(1);
  },
);

const LINK = expect.stringMatching(/^link-ingress-\d+$/) as unknown;
/** As the kernel writes it in the table of sockets. */
const TEREDO_PORT = `:${(3544).toString(16).toUpperCase()} `;

function ask(net: Internet, ...servers: readonly string[]): Promise<Questions> {
  return Questions.start(net.relay, RELAY_ADDRESS, servers, EVERY_MS);
}

/** The number of solicitations without an answer, by address. */
async function lostOf(questions: Questions, server: ManagedRole, subject: string): Promise<number[]> {
  const results = await questions.results(server.pid);
  const text = ({ to, lost, sent, longestMs }: Answered): string =>
    `${to}: ${lost} of ${sent} lost, the longest answer took ${longestMs} ms`;
  process.stdout.write(`${subject}: ${results.map(text).join('; ')}\n`);
  return results.map(({ lost }) => lost);
}

/** The names of the descriptors in the store at the last start. */
function keptBy(server: ManagedRole): string[] {
  const [, names] = [...server.output.matchAll(/started \d+ with (\S+)/g)].at(-1)!;
  return names!.split(',');
}

/** The addresses that have a socket at the port of Teredo. */
function addressesOf(net: Internet): string[] {
  const table = net.server.execute('cat', '/proc/net/udp');
  const texts = [...table.matchAll(/([0-9A-F]{8}):0DD8 /g)].map(([, hex]) => hex!);
  return texts.map((hex) => [...Buffer.from(hex, 'hex')].toReversed().join('.')).toSorted();
}
