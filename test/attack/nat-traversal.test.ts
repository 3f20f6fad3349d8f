/** RFC 6081 and the guesses of ports: attacks by forged bubbles that make a client send, or that keep two clients apart. */
import { expect, onTestFinished, test } from 'vitest';
import { CLIENT_LIMITS } from '../../src/core/client/limits.ts';
import { Internet, RELAY_ADDRESS, SERVER_ADDRESS, timeToFirstReply } from '../../src/lab/index.ts';
import type { Site } from '../../src/lab/index.ts';
import {
  buildBubble,
  parseEndpoint,
  writeAlternateAddresses,
  writeGuess,
  writeNonce,
  writeOrigin,
  writeRandomPort,
} from '../../src/wire/index.ts';
import type { GuessTrailer, Ipv6 } from '../../src/wire/index.ts';
import { everyNth } from '../support/extent.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { AttackedClient } from './attacked-client.ts';
import {
  ATTACKER_ADDRESS,
  ArrivalCounter,
  VICTIM_ADDRESS,
  addHost,
  concatenate,
  spoof,
  teredo,
  v4,
  v6,
  within,
} from './attack-lab.ts';

const { bubbleReplies, directBubbles, indirectBubbles, randomPorts } = CLIENT_LIMITS;
const NONCE = Uint8Array.of(6, 6, 6, 6);

/** A bubble as a server forwards it, with every kind of trailer. */
function forwarded(source: Ipv6, destination: Ipv6, mapped: string, i: number): Uint8Array {
  const { address, port } = parseEndpoint(mapped)!;
  const origin = new Uint8Array(8);
  writeOrigin(origin, 0, address, port);
  const trailers = new Uint8Array(64);
  const alternates = [0, 1, 2, 3].map((n) => ({ address: v4(VICTIM_ADDRESS), port: 1_024 + 4 * i + n }));
  const guess: GuessTrailer = { habit: i % 2 ? 'random' : 'stable', port: 0, step: 0, token: i + 1, echo: i };
  let end = writeNonce(trailers, 0, NONCE);
  end = writeAlternateAddresses(trailers, end, alternates);
  end = writeRandomPort(trailers, end, 1_024 + i);
  end = writeGuess(trailers, end, guess);
  return concatenate(origin, buildBubble(source, destination, 21), trailers.slice(0, end));
}

test.each(everyNth(2, ['symmetric-random', 'port-restricted'] as const))(
  "50,000 bubbles in its server's name, behind a NAT that is %s, with a victim in every field: no more than the limits, few sockets",
  async (nat) => {
    await using net = new Internet();
    const client = await AttackedClient.start(net, nat);
    const { site, address } = client;
    const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
    const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
    const payloads = Array.from({ length: 5_000 }, (_, i) => {
      const mapped = `${VICTIM_ADDRESS}:${1_024 + i}`;
      const named = i % 2 ? VICTIM_ADDRESS : SERVER_ADDRESS;
      return forwarded(teredo(named, mapped), address, mapped, i);
    });
    const before = client.openFiles;
    let open = 0; // the most at one moment
    const looking = setInterval(() => (open = Math.max(open, client.openFiles - before)), 20);
    onTestFinished(() => clearInterval(looking));
    const attack = await spoof(attacker, {
      from: SERVER_ADDRESS,
      port: 3544,
      to: site.address,
      toPort: client.mappedPort,
      payloads,
      count: 50_000,
      perSecond: 5_000,
    });
    clearInterval(looking);
    const { counters } = await client.status();
    expect(counters.consumedBubbles).toBeGreaterThan(10_000);
    expect(counters.sentGuesses).toBe(0);
    expect(arrived.read().packets).toBeGreaterThan(100);
    expect(arrived.read().packets).toBeLessThanOrEqual(
      within(bubbleReplies, attack.seconds) +
        within(directBubbles, attack.seconds) +
        within(indirectBubbles, attack.seconds),
    );
    expect(open).toBeLessThanOrEqual(randomPorts / 2);
    if (nat === 'symmetric-random') expect(open).toBeGreaterThan(10);
    await client.expectUnharmed();
  },
);

test('two clients that have to guess ports reach each other, though an attacker forges bubbles of each to the other, of all kinds', async () => {
  await using net = new Internet();
  const sites = [net.site('a', 'symmetric-random'), net.site('b', 'port-restricted')] as const;
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  for (const { client } of sites) await startClient(client, SERVER_ADDRESS);
  const [a, b] = [await Attacked.find(sites[0]), await Attacked.find(sites[1])];
  const attackers = [addHost(net, 'x', ATTACKER_ADDRESS), addHost(net, 'y', '192.0.2.67')] as const;
  // Until well after they have reached each other.
  const attack = Promise.all([a.besiege(attackers[0], b), b.besiege(attackers[1], a)]);
  expect(await timeToFirstReply(sites[0].client, b.text, 20_000)).toBeLessThan(20_000);
  expect(await timeToFirstReply(sites[1].client, a.text, 10_000)).toBeLessThan(1_000);
  await attack;
  expect(await timeToFirstReply(sites[0].client, b.text, 10_000)).toBeLessThan(1_000);
});

/** A client, and the facts that any host can know about it. */
class Attacked {
  readonly text: string;
  private readonly site: Site;
  private readonly mapped: string;

  private constructor(site: Site, text: string, mapped: string) {
    this.site = site;
    this.text = text;
    this.mapped = mapped;
  }

  static async find(site: Site): Promise<Attacked> {
    const text = await teredoAddress(site.client);
    const { mapped } = (await statusOf(site.client, 'client'))!;
    return new Attacked(site, text, String(mapped));
  }

  /** Forges datagrams of `other`: through the server's name, and directly from its address and port. */
  async besiege(attacker: Parameters<typeof spoof>[0], other: Attacked): Promise<void> {
    const [source, destination] = [v6(other.text), v6(this.text)];
    const bubble = buildBubble(source, destination, 21);
    const { address, port } = parseEndpoint(other.mapped)!;
    const [serverSays, peerSays] = [
      [forwarded(source, destination, other.mapped, 1), forwarded(source, destination, other.mapped, 2)],
      [bubble, concatenate(bubble, Uint8Array.of(1, 4), NONCE)],
    ];
    const from = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
    const to = { to: this.site.address, toPort: parseEndpoint(this.mapped)!.port, count: 160, perSecond: 8 };
    await Promise.all([
      spoof(attacker, { ...to, from: SERVER_ADDRESS, port: 3544, payloads: serverSays }),
      spoof(attacker, { ...to, from, port, payloads: peerSays }),
    ]);
  }
}
