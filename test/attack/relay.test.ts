/** Attacks that make a relay send, or store, more than it should. */
import { expect, test } from 'vitest';
import { RELAY_LIMITS } from '../../src/core/relay/limits.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  timeToFirstReply,
  until,
} from '../../src/lab/index.ts';
import { buildBubble, formatIpv6 } from '../../src/wire/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import {
  ATTACKER_ADDRESS,
  ArrivalCounter,
  HonestPing,
  VICTIM_ADDRESS,
  addHost,
  memoryOf,
  mostWithin,
  send,
  spoof,
  teredo,
  v6,
  endedWith,
} from './attack-lab.ts';
import { IS_ALL } from '../support/extent.ts';

const ATTACKER_NATIVE = '2001:db8:2::66';

/** Clients that do not exist, of a server that is not one. */
function invented(server: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    formatIpv6(teredo(server, `8.${i >>> 16}.${(i >>> 8) & 0xff}.${i & 0xff}:${1024 + (i % 60_000)}`)),
  );
}

/** Of a relay. With several the user path carries all packets. */
const WORKERS = IS_ALL ? [1, 2, 8] : [1, 8];
const pathOf = (workers: number): string[] => (workers === 1 ? [] : ['--data-path', 'user']);

test.for(WORKERS)(
  '100,000 destinations that name a victim as their server: few bubbles, little memory, no harm to others (workers: %d)',
  async (workers) => {
    await using net = new Internet();
    const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
    const old = net.site('old', 'port-restricted');
    const late = net.site('late', 'port-restricted');
    const third = net.site('third', 'port-restricted');
    const elsewhere = net.lab.host('elsewhere');
    net.lab.wire(net.relay, 'v6e', ['2001:db8:7::1/64'], elsewhere, 'v6', ['2001:db8:7::2/64']);
    elsewhere.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:7::1');
    // Deprecated: only the honest host uses this source.
    net.native.ip('addr', 'add', `${ATTACKER_NATIVE}/64`, 'dev', 'v6', 'nodad', 'preferred_lft', '0');
    await startServer(net.server, SERVER_ADDRESS);
    const relay = await startRelay(
      net.relay,
      RELAY_ADDRESS,
      '--workers',
      String(workers),
      ...pathOf(workers),
    );
    await startClient(old.client, SERVER_ADDRESS);
    await startClient(late.client, SERVER_ADDRESS);
    await startClient(third.client, SERVER_ADDRESS);
    const oldAddress = await teredoAddress(old.client);
    const lateAddress = await teredoAddress(late.client);
    const thirdAddress = await teredoAddress(third.client);
    const ping = await HonestPing.start(net.native, oldAddress);
    const before = memoryOf(relay);
    const attack = send(net.native, {
      from: ATTACKER_NATIVE,
      to: invented(VICTIM_ADDRESS, 100_000),
      toPort: 9,
      payloads: [new Uint8Array(100)],
      count: IS_ALL ? 500_000 : 200_000,
      perSecond: 50_000,
    });
    await until('the flood', () =>
      arrived.read().packets >= RELAY_LIMITS.bySource.shared.burst ? true : undefined,
    );
    expect(await timeToFirstReply(elsewhere, lateAddress)).toBeLessThan(3_000);
    // In the attacker's own /64, but a host that sends little: served from the reserve.
    expect(await timeToFirstReply(net.native, thirdAddress)).toBeLessThan(3_000);
    const { seconds } = await attack;
    expect(arrived.read().packets).toBeLessThanOrEqual(mostWithin(RELAY_LIMITS.bySource, seconds));
    expect(memoryOf(relay) - before).toBeLessThan(100);
    const { answered, slowestMs } = await ping.stop();
    expect(answered).toBeGreaterThan(0.9);
    expect(slowestMs).toBeLessThan(1_000);
    const { peers, counters } = (await statusOf(net.relay, 'relay'))!;
    expect(peers.unverified).toBeLessThanOrEqual(RELAY_LIMITS.peers.unverified);
    expect(peers.trusted).toBe(3);
    // The log names the network, and the full number.
    const { times, by, lines } = await endedWith(relay, 'by-source');
    expect(by).toMatch(/^2001:db8:2::\/64/);
    expect(lines).toBeLessThanOrEqual(3);
    expect(times).toBeGreaterThanOrEqual(counters['droppedSourceLimit']!);
  },
);

test.for(IS_ALL ? WORKERS : [])(
  'the same from 1,000 native /64s: the victim has a limit of its own (workers: %d)',
  async (workers) => {
    await using net = new Internet();
    const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
    const site = net.site('a', 'port-restricted');
    await startServer(net.server, SERVER_ADDRESS);
    const relay = await startRelay(
      net.relay,
      RELAY_ADDRESS,
      '--workers',
      String(workers),
      ...pathOf(workers),
    );
    await startClient(site.client, SERVER_ADDRESS);
    const ping = await HonestPing.start(net.native, await teredoAddress(site.client));
    const before = memoryOf(relay);
    net.native.ip('-6', 'route', 'add', 'local', '2001:db8:6600::/40', 'dev', 'lo');
    net.native.sysctl('net.ipv6.ip_nonlocal_bind', '1');
    const froms = Array.from(
      { length: 1_000 },
      (_, i) => `2001:db8:66${(i >>> 8).toString(16).padStart(2, '0')}:${(i & 0xff).toString(16)}::1`,
    );
    const begun = performance.now();
    await send(net.native, {
      from: froms,
      to: invented(VICTIM_ADDRESS, 100_000),
      toPort: 9,
      payloads: [new Uint8Array(100)],
      count: 50_000,
      perSecond: 5_000,
    });
    const seconds = (performance.now() - begun) / 1000;
    const { packets } = arrived.read();
    expect(packets).toBeGreaterThan(mostWithin(RELAY_LIMITS.bySource, 0));
    expect(packets).toBeLessThanOrEqual(mostWithin(RELAY_LIMITS.byServer, seconds));
    // At most 65,536 contacts, and memory not yet collected.
    expect(memoryOf(relay) - before).toBeLessThan(300);
    const { answered, slowestMs } = await ping.stop();
    expect(answered).toBeGreaterThan(0.9);
    expect(slowestMs).toBeLessThan(1_000);
    expect(await endedWith(relay, 'by-server')).toMatchObject({ by: VICTIM_ADDRESS });
  },
);

test("bubbles in a victim's name do not redirect traffic to it", async () => {
  await using net = new Internet();
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const arrived = new ArrivalCounter(
    addHost(net, 'victim', VICTIM_ADDRESS),
    `ip saddr ${RELAY_ADDRESS} meta l4proto udp`,
  );
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const victim = teredo(SERVER_ADDRESS, `${VICTIM_ADDRESS}:6000`);
  const pinging = net.native.spawn('ping', ['-n', '-i', '0.2', formatIpv6(victim)]);
  await until(
    'a contact',
    async () => (await statusOf(net.relay, 'relay'))!.counters.contactsBegun || undefined,
  );
  const guesses = Array.from({ length: 256 }, (_, i) =>
    buildBubble(victim, v6(`fe80::${i.toString(16)}`), 21),
  );
  guesses.push(buildBubble(victim, v6(NATIVE_ADDRESS), 21));
  const forged = { from: VICTIM_ADDRESS, port: 6000, to: RELAY_ADDRESS, toPort: 3545 };
  await spoof(attacker, { ...forged, payloads: guesses, count: 20_000 });
  await pinging.stop();
  expect(arrived.read().packets).toBe(0);
  const { counters, peers } = (await statusOf(net.relay, 'relay'))!;
  expect(counters.droppedForgedProof).toBeGreaterThan(10_000);
  expect(counters.relayedToClients).toBe(0);
  expect(peers.trusted).toBe(0);
});
