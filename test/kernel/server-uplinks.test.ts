/** Where datagrams for a server arrive, and the effect of its routes on their sources: the same as for its sockets. adr/0015 */
import { expect, test } from 'vitest';
import { Lab, SERVER_ADDRESS, SERVER_SECONDARY } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { buildBubble } from '../../src/wire/index.ts';
import { ATTACKER_ADDRESS, VICTIM_ADDRESS, send, teredo } from '../attack/attack-lab.ts';
import { Asker } from '../support/asker.ts';
import { eventually } from '../support/eventually.ts';
import { startServer, statusOf } from '../support/roles.ts';
import { solicitation } from '../support/server-rig.ts';

const DELAY_MS = 15_000;
const WATCHED_MS = 1_500;
const PORT = 5_000;
const NEAR = { address: ATTACKER_ADDRESS, port: PORT, router: '10.8.1.1' };
const OTHER = { address: VICTIM_ADDRESS, port: PORT, router: '10.8.2.1' };

/** A server with its addresses on `lo`, and a host at each of its two uplinks; the hosts also reach each other. */
class Anycast {
  readonly lab = new Lab();
  readonly server = this.lab.host('server');
  readonly near = this.lab.host('near');
  readonly other = this.lab.host('other');

  constructor() {
    const { lab, server, near, other } = this;
    lab.wire(server, 'u1', ['10.8.1.2/24'], near, 'wan', [`${NEAR.router}/24`, `${NEAR.address}/32`]);
    lab.wire(server, 'u2', ['10.8.2.2/24'], other, 'wan', [`${OTHER.router}/24`, `${OTHER.address}/32`]);
    lab.wire(near, 'side', ['10.8.3.1/24'], other, 'side', ['10.8.3.2/24']);
    for (const address of [SERVER_ADDRESS, SERVER_SECONDARY])
      server.ip('address', 'add', `${address}/32`, 'dev', 'lo');
    near.ipBatch(
      `route add 203.0.113.0/24 via 10.8.1.2 src ${NEAR.address}`,
      `route add ${OTHER.address} via 10.8.3.2`,
    );
    other.ipBatch(
      `route add 203.0.113.0/24 via 10.8.2.2 src ${OTHER.address}`,
      `route add ${NEAR.address} via 10.8.3.1`,
    );
    for (const host of [near, other]) host.sysctl('net.ipv4.ip_forward', '1');
  }

  /** All datagrams leave by one uplink, or by both. */
  route(...routers: string[]): void {
    const hops = routers.flatMap((router) => ['nexthop', 'via', router]);
    this.server.ip('route', 'replace', 'default', ...hops);
  }

  async start(...args: string[]) {
    const running = await startServer(this.server, SERVER_ADDRESS, '--data-path', 'auto', ...args);
    await this.uses({ inUse: 'kernel' });
    return running;
  }

  async uses(path: object): Promise<void> {
    await eventually(async () => expect(await pathOf(this.server)).toMatchObject(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

test('addresses on lo, two uplinks in turn: answers of the kernel path leave by the interface of the question, bubbles go by the process', async () => {
  await using net = new Anycast();
  net.route(NEAR.router, OTHER.router);
  await net.start();
  for (const [host, { address }] of [
    [net.near, NEAR],
    [net.other, OTHER],
  ] as const) {
    // With the cone flag: from the other address.
    for (const payload of [solicitation(), solicitation(0x8000)]) {
      const before = await countersOf(net.server);
      const { answers } = await ask(host, address, payload, 40);
      expect(answers).toHaveLength(40);
      const after = await countersOf(net.server);
      expect(after['solicitationsAnswered']! - before['solicitationsAnswered']!).toBeGreaterThanOrEqual(35);
    }
    const self = teredo(SERVER_ADDRESS, `${address}:${PORT}`);
    expect((await ask(host, address, buildBubble(self, self, 21), 5)).answers).toHaveLength(5);
  }
  expect((await countersOf(net.server))['forwardedToClients']).toBe(0);
});

test('addresses on lo, one route out: the kernel path also forwards bubbles, at whichever interface they arrived', async () => {
  await using net = new Anycast();
  net.route(NEAR.router);
  await net.start();
  for (const [host, { address }] of [
    [net.near, NEAR],
    [net.other, OTHER],
  ] as const) {
    const self = teredo(SERVER_ADDRESS, `${address}:${PORT}`);
    const before = await countersOf(net.server);
    expect((await ask(host, address, buildBubble(self, self, 21), 40)).answers).toHaveLength(40);
    const after = await countersOf(net.server);
    expect(after['forwardedToClients']! - before['forwardedToClients']!).toBeGreaterThanOrEqual(35);
  }
});

test('a part of a bridge is not watched twice: each datagram is decided once', async () => {
  await using net = new Anycast();
  net.server.ipBatch(
    'address flush dev u1',
    'link add br0 type bridge forward_delay 0',
    'link set u1 master br0',
    'link set br0 up',
    'address add 10.8.1.2/24 dev br0',
  );
  net.route(NEAR.router);
  await net.start();
  await eventually(async () =>
    expect((await ask(net.near, NEAR.address, solicitation(), 1)).answers).toHaveLength(1),
  );
  const before = await countersOf(net.server);
  const { answers } = await ask(net.near, NEAR.address, solicitation(), 100);
  expect(answers).toHaveLength(100);
  const after = await countersOf(net.server);
  const [answered, left] = ['solicitationsAnswered', 'leftToSockets'].map(
    (name) => after[name]! - before[name]!,
  );
  expect(answered! + left!).toBe(100);
  expect(answered).toBeGreaterThan(90);
});

test('uplinks come and go; too many of them', async () => {
  await using net = new Anycast();
  net.server.ip('link', 'set', 'u2', 'down');
  net.route(NEAR.router);
  await net.start();
  net.server.ip('link', 'set', 'u2', 'up');
  const asker = new Asker(net.other, OTHER.address, SERVER_ADDRESS);
  expect(await asker.isAnswered(DELAY_MS)).toBe(true);
  await eventually(async () => {
    const before = await countersOf(net.server);
    expect(await asker.isAnswered()).toBe(true);
    expect((await countersOf(net.server))['solicitationsAnswered']).toBeGreaterThan(
      before['solicitationsAnswered']!,
    );
  });
  const many = Array.from({ length: 16 }, (_, i) => i);
  net.server.ipBatch(
    ...many.flatMap((i) => [
      `link add m${i} type veth peer name n${i}`,
      `link set m${i} up`,
      `link set n${i} up`,
    ]),
  );
  await net.uses({
    inUse: 'user',
    reason: "lo has the server's address, and it may be reached by more than 32 interfaces",
  });
  expect(await asker.isAnswered()).toBe(true);
  net.server.ipBatch(...many.map((i) => `link delete m${i}`));
  await net.uses({ inUse: 'kernel' });
  net.server.ipBatch('link set u1 down', 'link set u2 down');
  await net.uses({ inUse: 'user', reason: expect.stringContaining('no Ethernet interface is up') as string });
});

/** Each keeps the sockets from answering sources near the first uplink. */
const REFUSALS = {
  'a route that swallows': ['route', 'blackhole', `${NEAR.address}/32`],
  'a network that is refused': ['route', 'prohibit', '192.0.2.64/27'],
  'a network that is led to nowhere': ['route', `${NEAR.address}/32`, 'dev', 'lo'],
  'a network that is all this host': ['route', 'local', '192.0.2.64/27', 'dev', 'lo'],
  'a rule that swallows': ['rule', 'from', 'all', 'to', `${NEAR.address}/32`, 'blackhole'],
};

test(`not answered, and answered again after: ${Object.keys(REFUSALS).join(', ')}`, async () => {
  await using net = new Anycast();
  net.route(NEAR.router, OTHER.router);
  await net.start();
  const [denied, other] = [
    new Asker(net.near, NEAR.address, SERVER_ADDRESS),
    new Asker(net.other, OTHER.address, SERVER_ADDRESS),
  ];
  for (const [kind, ...words] of Object.values(REFUSALS)) {
    expect(await denied.isAnswered(DELAY_MS)).toBe(true);
    net.server.ip(kind!, 'add', ...words);
    await denied.silentWithin(DELAY_MS, WATCHED_MS);
    expect(await other.isAnswered()).toBe(true);
    net.server.ip(kind!, 'delete', ...words);
    expect(await denied.isAnswered(DELAY_MS)).toBe(true);
    await net.uses({ inUse: 'kernel' });
  }
});

test('a strict reverse path filter: a source that would be answered by another uplink is not answered', async () => {
  await using net = new Anycast();
  net.route(NEAR.router, OTHER.router);
  await net.start();
  const asker = new Asker(net.near, NEAR.address, SERVER_ADDRESS);
  expect(await asker.isAnswered(DELAY_MS)).toBe(true);
  net.server.ip('route', 'add', `${NEAR.address}/32`, 'via', OTHER.router);
  await asker.answeredFor(WATCHED_MS);
  net.server.sysctl('net.ipv4.conf.u1.rp_filter', '1');
  await asker.silentWithin(DELAY_MS, WATCHED_MS);
  net.server.sysctl('net.ipv4.conf.u1.rp_filter', '2');
  expect(await asker.isAnswered(DELAY_MS)).toBe(true);
});

/** This many datagrams in a row, a hundred a second; waits for as many answers. */
function ask(host: Namespace, from: string, payload: Uint8Array, count: number) {
  return send(host, {
    from,
    port: PORT,
    to: SERVER_ADDRESS,
    toPort: 3_544,
    payloads: [payload],
    count,
    perSecond: 100,
    wanted: count,
  });
}

async function pathOf(host: Namespace) {
  return (await statusOf(host, 'server'))!['dataPath'] as { readonly counters: Record<string, number> };
}

async function countersOf(host: Namespace): Promise<Record<string, number>> {
  return (await pathOf(host)).counters;
}
