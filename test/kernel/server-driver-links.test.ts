/** The server's program in the driver of a real interface: it answers, keeps to the rules of the host, and steps aside where it cannot send. The rest of it runs with TEREDO_TEST_ALL=1. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Lab, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { ATTACKER_ADDRESS, send } from '../attack/attack-lab.ts';
import { eventually } from '../support/eventually.ts';
import { IS_ALL } from '../support/extent.ts';
import { startServer, statusOf } from '../support/roles.ts';
import { passInDriver } from '../support/passing-xdp.ts';
import { solicitation } from '../support/server-rig.ts';

const GATEWAY = '203.0.113.1';
const COUNT = 50;
/** As between hosts with network cards: each sender fills in checksums and cuts its own packets. */
const AS_CARDS = ['tso', 'off', 'tx', 'off'];

let lab: Lab;
let server: Namespace;
let asker: Namespace;
beforeEach(() => {
  lab = new Lab();
  [server, asker] = [lab.host('server'), lab.host('asker')];
  lab.wire(server, 'wan', [`${SERVER_ADDRESS}/24`], asker, 'wan', [
    `${GATEWAY}/24`,
    `${ATTACKER_ADDRESS}/32`,
  ]);
  server.ip('route', 'add', 'default', 'via', GATEWAY);
  for (const host of [server, asker]) host.execute('ethtool', '-K', 'wan', ...AS_CARDS);
});
afterEach(() => lab.remove());

test('solicitations that come from the gateway are answered in the driver, those of neighbours are not', async () => {
  await startInDriver();
  const before = await counters();
  expect(await ask(COUNT)).toBe(COUNT);
  const after = await counters();
  expect(after['answeredInDriver']! - before['answeredInDriver']!).toBeGreaterThan(COUNT / 2);
  expect(await ask(COUNT, GATEWAY)).toBe(COUNT);
  expect((await counters())['answeredInDriver']).toBe(after['answeredInDriver']);
});

test.runIf(IS_ALL)(
  'a rule for packets that leave takes the work from the driver, not from the program behind it',
  async () => {
    await startInDriver();
    server.nft(`table netdev out {
    chain leaving {
      type filter hook egress device "wan" priority 0; policy accept;
      counter
    }
  }`);
    await eventually(async () => {
      const before = await counters();
      expect(await ask(COUNT)).toBe(COUNT);
      expect((await counters())['answeredInDriver']).toBe(before['answeredInDriver']);
    });
    expect(await statusOf(server, 'server')).toMatchObject({ dataPath: { inUse: 'kernel' } });
  },
);

test.runIf(IS_ALL)('so does a queue that shapes what leaves', async () => {
  await startInDriver();
  server.execute(
    'tc',
    'qdisc',
    'replace',
    'dev',
    'wan',
    'root',
    'tbf',
    'rate',
    '1gbit',
    'burst',
    '1mb',
    'latency',
    '1s',
  );
  await eventually(async () => expect(await statusOf(server, 'server')).toMatchObject({ xdp: false }));
  expect(await ask(COUNT)).toBe(COUNT);
});

test('where the other end takes nothing from a driver, three answers are lost, one at a time', async () => {
  await startServer(server, SERVER_ADDRESS, '--data-path', 'kernel', '--xdp', 'on');
  await eventually(async () => {
    await ask(1, ATTACKER_ADDRESS, 0);
    expect((await counters())['answeredInDriver']).toBeGreaterThan(0);
  });
  expect(await ask(COUNT, ATTACKER_ADDRESS, COUNT - 2)).toBeGreaterThanOrEqual(COUNT - 2);
  if (!IS_ALL) return;
  await eventually(async () => {
    await ask(1, ATTACKER_ADDRESS, 0);
    expect(await statusOf(server, 'server')).toMatchObject({
      xdp: false,
      withoutXdp: 'the driver does not send the answers',
    });
  });
  expect(await ask(COUNT)).toBe(COUNT);
  expect(await counters()).toMatchObject({ answeredInDriver: 3 });
});

test.runIf(IS_ALL)('an address gets no more answers from the driver than its limits permit', async () => {
  const limits = ['shared.burst=400', 'shared.per-second=0', 'reserve.burst=0', 'reserve.per-second=0'];
  await startInDriver('--limit', ...limits.map((limit) => `answers.${limit}`));
  const heard = await ask(800, ATTACKER_ADDRESS, 0);
  expect(heard).toBeLessThanOrEqual(400);
  const { answeredInDriver, solicitationsAnswered, droppedAnswerLimit } = await counters();
  expect(solicitationsAnswered).toBeLessThanOrEqual(400);
  expect(answeredInDriver).toBeGreaterThan(100);
  expect(droppedAnswerLimit).toBeGreaterThan(100);
});

/** The other end takes frames that a driver gives back only if it has a program, too. */
async function startInDriver(...args: string[]): Promise<void> {
  passInDriver(asker, 'wan');
  await startServer(server, SERVER_ADDRESS, '--data-path', 'kernel', '--xdp', 'on', ...args);
  await eventually(async () => {
    await ask(2);
    expect((await counters())['answeredInDriver']).toBeGreaterThan(1);
  });
}

async function counters(): Promise<Readonly<Record<string, number>>> {
  const status = (await statusOf(server, 'server'))!;
  return (status['dataPath'] as { counters: Record<string, number> }).counters;
}

async function ask(count: number, from = ATTACKER_ADDRESS, wanted = count): Promise<number> {
  const order = { from, to: SERVER_ADDRESS, toPort: 3_544, payloads: [solicitation()], count, wanted };
  return (await send(asker, order)).heard;
}
