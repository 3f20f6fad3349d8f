/**
 * Rules of the server's host apply while the kernel does the server's work: they take effect, and end, within 15 s, and datagrams that they
 * permit are answered all the time. adr/0019
 */
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from '../../src/control/control-client.ts';
import { controlPath } from '../../src/control/control-path.ts';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { ATTACKER_ADDRESS, VICTIM_ADDRESS, addHost } from '../attack/attack-lab.ts';
import { Asker } from '../support/asker.ts';
import { ControlGroup, controlGroups } from '../support/control-group.ts';
import { eventually } from '../support/eventually.ts';
import { PROGRAM, startServer, statusOf } from '../support/roles.ts';

/** The time within which a rule has to take effect, or to end. */
const DELAY_MS = 15_000;
/** The time for which the effect is then watched. */
const WATCHED_MS = 1_500;

/** Two hosts that ask the server ten times a second; a rule is to block the first one. */
async function world() {
  const net = new Internet();
  const [denied, other] = [addHost(net, 'denied', ATTACKER_ADDRESS), addHost(net, 'other', VICTIM_ADDRESS)];
  await startServer(net.server, SERVER_ADDRESS, '--data-path', 'auto');
  const askers = {
    denied: new Asker(denied, ATTACKER_ADDRESS, SERVER_ADDRESS),
    other: new Asker(other, VICTIM_ADDRESS, SERVER_ADDRESS),
  };
  return { host: net.server, ...askers, [Symbol.asyncDispose]: () => net[Symbol.asyncDispose]() };
}

const table = (family: string, type: string, hook: string, rule: string) =>
  `table ${family} rules {\n chain c {\n type ${type} hook ${hook};\n ${rule}\n }\n }`;

/** The rules, and whether they block both hosts or only the first one. */
const RULES: Readonly<Record<string, readonly ['denied' | 'both', string]>> = {
  'input, a source': [
    'denied',
    table('inet', 'filter', 'input priority 0', `ip saddr ${ATTACKER_ADDRESS} drop`),
  ],
  'input, a port': ['both', table('ip', 'filter', 'input priority 0', 'udp dport 3544 drop')],
  'output, drop': [
    'denied',
    table('ip', 'filter', 'output priority 0', `ip daddr ${ATTACKER_ADDRESS} udp sport 3544 drop`),
  ],
  'output, reject': ['both', table('inet', 'filter', 'output priority 0', 'udp sport 3544 reject')],
  raw: ['denied', table('ip', 'filter', 'prerouting priority -300', `ip saddr ${ATTACKER_ADDRESS} drop`)],
  ingress: [
    'denied',
    table('netdev', 'filter', 'ingress device "wan" priority 0', `ip saddr ${ATTACKER_ADDRESS} drop`),
  ],
  'a policy': ['both', table('inet', 'filter', 'input priority 0', 'policy drop; tcp dport 22 accept')],
};

test(`nftables rules take effect and end: ${Object.keys(RULES).join('; ')}`, async () => {
  await using net = await world();
  const { host, denied, other } = net;
  for (const [blocked, rules] of Object.values(RULES)) {
    await eventually(async () => expect(await pathOf(host)).toEqual({ inUse: 'kernel' }));
    expect(await denied.isAnswered(DELAY_MS)).toBe(true);
    host.nft(rules);
    await denied.silentWithin(DELAY_MS, WATCHED_MS);
    expect(await pathOf(host)).toMatchObject({
      inUse: 'user',
      reason: expect.stringContaining('nftables has ') as string,
    });
    if (blocked === 'denied') expect(await other.isAnswered()).toBe(true);
    host.nft('flush ruleset');
    expect(await denied.isAnswered(DELAY_MS)).toBe(true);
  }
  await eventually(async () => expect(await pathOf(host)).toEqual({ inUse: 'kernel' }));
});

test('a rule that exists before the server starts', async () => {
  await using net = new Internet();
  const asker = new Asker(addHost(net, 'asker', ATTACKER_ADDRESS), ATTACKER_ADDRESS, SERVER_ADDRESS);
  net.server.nft(table('inet', 'filter', 'input priority 0', 'udp dport 3544 drop'));
  const server = await startServer(net.server, SERVER_ADDRESS, '--data-path', 'auto');
  await server.waitFor(/ data path: user \(nftables has rules in chain c of table inet rules\)$/m);
  await asker.silentWithin(0, WATCHED_MS);
  net.server.nft('flush ruleset');
  expect(await asker.isAnswered(DELAY_MS)).toBe(true);
  await server.waitFor(/ data path: kernel$/m);
});

test('rules for other purposes leave the work to the kernel path', async () => {
  await using net = await world();
  const { host, denied } = net;
  expect(await denied.isAnswered(DELAY_MS)).toBe(true);
  host.nft(
    [
      table('inet', 'filter', 'forward priority 0', 'policy drop;').replaceAll('rules', 'a'),
      table('ip6', 'filter', 'input priority 0', 'policy drop; drop').replaceAll('rules', 'b'),
      table('bridge', 'filter', 'input priority 0', 'drop').replaceAll('rules', 'd'),
      table('arp', 'filter', 'input priority 0', 'accept').replaceAll('rules', 'e'),
      table('ip', 'filter', 'input priority 0', '').replaceAll('rules', 'f'),
    ].join('\n'),
  );
  // Longer than it takes to read them.
  await denied.answeredFor(4_000);
  expect(await pathOf(host)).toEqual({ inUse: 'kernel' });
});

test.runIf(controlGroups() !== undefined).each(['ingress', 'egress'] as const)(
  'a filter that only the sockets notice, in their control group: %s',
  async (direction) => {
    using group = new ControlGroup(`teredo-test-${process.pid}-${direction}`);
    await using net = new Internet();
    const asker = new Asker(addHost(net, 'asker', ATTACKER_ADDRESS), ATTACKER_ADDRESS, SERVER_ADDRESS);
    await group.start(() => startServer(net.server, SERVER_ADDRESS, '--data-path', 'auto'));
    expect(await asker.isAnswered(DELAY_MS)).toBe(true);
    group.deny(direction);
    await asker.silentWithin(DELAY_MS, WATCHED_MS);
    expect(await pathOf(net.server)).toMatchObject({
      inUse: 'user',
      reason: expect.stringContaining('do not arrive there') as string,
    });
    group.allow();
    // By the process at once, by the kernel path after a pause.
    expect(await asker.isAnswered(DELAY_MS)).toBe(true);
    if (process.env['TEREDO_TEST_ALL'] !== '1') return;
    await eventually(async () => expect(await pathOf(net.server)).toMatchObject({ inUse: 'kernel' }), {
      timeout: 60_000,
    });
  },
);

test('a plain user with the capabilities of the shipped unit: the kernel path, and the rules that can be read', async () => {
  await using net = new Internet();
  const folder = mkdtempSync(join(tmpdir(), 'teredo-plain-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  chownSync(folder, 65_534, 65_534);
  const rights = '-all,+net_raw,+net_admin,+bpf';
  const sets = ['--inh-caps', '--ambient-caps', '--bounding-set'].flatMap((set) => [set, rights]);
  const user = [
    '--reuid',
    '65534',
    '--regid',
    '65534',
    '--clear-groups',
    ...sets,
    '--',
    process.execPath,
    PROGRAM,
  ];
  const server = net.server.spawn(
    'setpriv',
    [...user, 'server', '--address', SERVER_ADDRESS, '--name', 'server'],
    {
      TEREDO_RUNTIME_DIR: folder,
    },
  );
  await server.waitFor(/is running/);
  const status = async () =>
    ((await ask(controlPath(folder, 'server'), { command: 'status' })) as { result: { dataPath: object } })
      .result.dataPath;
  expect(await status()).toMatchObject({ inUse: 'kernel' });
  // Only root may read the names of iptables' tables, if the kernel has any.
  if (existsSync('/proc/net/ip_tables_names'))
    expect(await status()).toMatchObject({
      reason: "this host's rules cannot be read: iptables (EACCES)",
    });
  net.server.nft(RULES['input, a port']![1]);
  await eventually(async () =>
    expect(await status()).toMatchObject({
      inUse: 'user',
      reason: 'nftables has rules in chain c of table ip rules',
    }),
  );
});

async function pathOf(host: Namespace): Promise<unknown> {
  const { counters: _counters, ...path } = (await statusOf(host, 'server'))!['dataPath'] as Record<
    string,
    unknown
  >;
  return path;
}
