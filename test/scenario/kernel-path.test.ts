import { describe, expect, test } from 'vitest';
import { Internet, SeededEntropy } from '../../src/sim/index.ts';
import type { Ipv6Host, NatKindName, SimClient } from '../../src/sim/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';
import { readUint32, writeUint32 } from '../../src/wire/index.ts';
import { expectQualified, expectQualifiedSoon, expectReply, pingSteadily } from './support/expectations.ts';
import { seededTest, seeds, withSeed } from './support/with-seed.ts';

/** A client behind a NAT, a relay and a native host, all with a kernel path; the two know each other. */
function triangle(seed: number, behind: NatKindName = 'portRestricted') {
  const net = new Internet({ seed, offload: true });
  net.addServer();
  const site = net.addRelay();
  const native = net.addNativeHost();
  const client = net.addClient({ behind });
  expectQualifiedSoon(net.world, client);
  expectReply(net.world, client.ipv6.ping(native.address), 2_000);
  return { net, ...site, native, client };
}

describe('with a kernel path', () => {
  seededTest('carried packets do not reach the machines, which keep the peers valid', (seed) => {
    const { net, relay, native, client } = triangle(seed);
    const [sent, relayed] = [client.machine.counters['sentPackets'], relay.machine.counters.relayedToNative];
    const tests = client.machine.counters['sentConnectivityTests'];
    const pings = pingSteadily(net.world, client.ipv6, native, 700, 120_000);
    net.world.runFor(122_000);
    expect(pings.filter(({ replies }) => replies !== 1)).toEqual([]);
    const { carriedOut, outSample } = client.carrier!.counters;
    const { carriedIn, inSample } = relay.carrier!.counters;
    expect(carriedOut + outSample).toBe(pings.length);
    expect(outSample).toBeLessThanOrEqual(30); // one in 4 s
    expect(carriedIn + inSample).toBeGreaterThanOrEqual(pings.length);
    expect(inSample).toBeLessThanOrEqual(30);
    expect(client.machine.counters['sentPackets']! - sent!).toBe(outSample);
    expect(relay.machine.counters.relayedToNative - relayed).toBe(inSample);
    expect(client.machine.counters['sentConnectivityTests']).toBe(tests);
  });

  seededTest('between two clients, too, on one link and through NATs', (seed) => {
    const net = new Internet({ seed, offload: true });
    net.addServer();
    const home = net.addNat('portRestricted');
    const [a, b, c] = [home, home, 'portRestricted' as const].map((behind) => net.addClient({ behind }));
    expectQualifiedSoon(net.world, a!, b!, c!);
    net.world.runFor(5_000);
    for (const other of [b!, c!]) {
      expectReply(net.world, a!.ipv6.ping(other.ipv6.address), 5_000);
      const before = a!.carrier!.counters.carriedOut;
      for (let i = 0; i < 5; i++) expectReply(net.world, a!.ipv6.ping(other.ipv6.address), 200);
      expect(a!.carrier!.counters.carriedOut - before).toBe(5);
    }
  });

  // CL-60, CL-85
  seededTest('in one direction only: the silent peer is asked, and no packet is lost', (seed) => {
    const net = new Internet({ seed, offload: true });
    net.addServer();
    const [a, b] = [net.addClient({ behind: 'portRestricted' }), net.addClient({ behind: 'portRestricted' })];
    expectQualifiedSoon(net.world, a, b);
    let got = 0;
    b.ipv6.listen(9, () => got++);
    for (let i = 0; i < 1_200; i++) {
      a.ipv6.sendUdp({
        destination: b.ipv6.address,
        sourcePort: 1,
        destinationPort: 9,
        payload: new Uint8Array(8),
      });
      net.world.runFor(100);
    }
    net.world.runFor(1_000);
    expect(got).toBe(1_200);
    expect(a.carrier!.counters.outQuestion).toBeGreaterThan(5);
    // The model needs the answer to the machine's question as proof of the path, so it carries half as many packets as the kernel.
    expect(a.carrier!.counters.carriedOut).toBeGreaterThan(300);
  });

  seededTest('the NAT forgets its mappings: traffic flows again within 10 s', (seed) => {
    const { net, native, client } = triangle(seed);
    const before = pingSteadily(net.world, client.ipv6, native, 200, 5_000);
    net.world.runFor(6_000);
    expect(before.every(({ repliedAt }) => repliedAt !== undefined)).toBe(true);
    net.nats[0]!.flush();
    pingSteadily(net.world, client.ipv6, native, 200, 10_000);
    net.world.runFor(10_000);
    const after = pingSteadily(net.world, client.ipv6, native, 200, 5_000);
    net.world.runFor(6_000);
    expect(after.filter(({ repliedAt }) => repliedAt === undefined)).toEqual([]);
  });

  seededTest('the NAT gets another address: traffic flows again within 10 s', (seed) => {
    const { net, native, client } = triangle(seed);
    pingSteadily(net.world, client.ipv6, native, 200, 5_000);
    net.world.runFor(5_000);
    net.nats[0]!.setExternalAddress(net.nextPublicAddress());
    pingSteadily(net.world, client.ipv6, native, 200, 10_000);
    net.world.runFor(10_000);
    const after = pingSteadily(net.world, client.ipv6, native, 200, 5_000);
    net.world.runFor(6_000);
    expect(after.filter(({ repliedAt }) => repliedAt === undefined)).toEqual([]);
  });

  seededTest('the relay is restarted: traffic flows again within 10 s', (seed) => {
    const { net, relay, native, client } = triangle(seed);
    pingSteadily(net.world, client.ipv6, native, 200, 20_000);
    net.world.runFor(5_000);
    relay.restart();
    net.world.runFor(16_000);
    const after = pingSteadily(net.world, client.ipv6, native, 200, 5_000);
    net.world.runFor(6_000);
    expect(after.filter(({ repliedAt }) => repliedAt === undefined)).toEqual([]);
  });

  seededTest('the kernel path is reset repeatedly: no packet is lost', (seed) => {
    const { net, relay, native, client } = triangle(seed);
    const pings = pingSteadily(net.world, client.ipv6, native, 50, 20_000);
    for (let i = 0; i < 40; i++) {
      net.world.runFor(500);
      (i % 2 === 0 ? client.node : relay.node).resetKernelPath();
    }
    net.world.runFor(2_000);
    expect(pings.filter(({ replies }) => replies !== 1)).toEqual([]);
    expect(client.carrier!.counters.carriedOut).toBeGreaterThan(300);
  });

  // CL-4
  seededTest('no packet of a client that is stopped is carried', (seed) => {
    const { net, native, client } = triangle(seed);
    const own = client.ipv6.address;
    client.stop();
    const before = client.carrier!.counters.carriedOut;
    client.ipv6.ping(native.address, { source: own });
    native.ping(own);
    net.world.runFor(2_000);
    expect(client.carrier!.counters).toMatchObject({ carriedOut: before });
    expect(client.carrier!.size).toBe(0);
  });
});

const KINDS: readonly (NatKindName | undefined)[] = [
  'fullCone',
  'addressRestricted',
  'portRestricted',
  undefined,
];

describe('with and without a kernel path the same packets are delivered', () => {
  for (const seed of seeds(20)) {
    test(`seed ${seed}`, () =>
      withSeed(seed, () => {
        const [without, withOne] = [deliveries(seed, false), deliveries(seed, true)];
        expect(withOne.received).toEqual(without.received);
        expect(withOne.received.length).toBeGreaterThan(withOne.sent / 2);
        expect(withOne.carried).toBeGreaterThan(withOne.sent / 4);
        expect(without.carried).toBe(0);
      }));
  }
});

// CL-60, CL-85
describe('with workers, in one direction only: the silent peer is asked as by one worker, and no packet is lost', () => {
  for (const workers of [2, 3, 8]) {
    seededTest(`${workers} workers`, (seed) => {
      const [one, several] = [askedBy(seed, 1), askedBy(seed, workers)];
      expect([one.got, several.got]).toEqual([1_200, 1_200]);
      expect(several.byWorkers).toBeGreaterThan(1_000);
      // Every 3 s in two minutes.
      expect(one.questions).toBeGreaterThan(20);
      expect(Math.abs(several.questions - one.questions)).toBeLessThanOrEqual(6);
    });
  }
});

/** A client sends 10 packets a second to another one, which says nothing. `questions`: bubbles of the first. */
function askedBy(seed: number, workers: number): { got: number; questions: number; byWorkers: number } {
  const net = new Internet({ seed, offload: workers > 1, workers });
  net.addServer();
  const [a, b] = [net.addClient({ behind: 'portRestricted' }), net.addClient({ behind: 'portRestricted' })];
  expectQualifiedSoon(net.world, a, b);
  let got = 0;
  b.ipv6.listen(9, () => got++);
  for (let i = 0; i < 1_200; i++) {
    a.ipv6.sendUdp({
      destination: b.ipv6.address,
      sourcePort: 1,
      destinationPort: 9,
      payload: new Uint8Array(8),
    });
    net.world.runFor(100);
  }
  net.world.runFor(1_000);
  const { sentDirectBubbles, sentIndirectBubbles } = a.machine.counters;
  const byWorkers = a.workers?.carried ?? 0;
  return { got, questions: sentDirectBubbles! + sentIndirectBubbles!, byWorkers };
}

describe('with one and with several workers the same packets are delivered', () => {
  for (const [i, seed] of seeds(12).entries()) {
    const workers = [2, 3, 8][i % 3]!;
    test(`${workers} workers, seed ${seed}`, () =>
      withSeed(seed, () => {
        const [one, several] = [deliveries(seed, false), deliveries(seed, true, workers)];
        expect(several.received).toEqual(one.received);
        expect(several.byWorkers).toBeGreaterThan(several.sent / 8);
      }));
  }
});

/** Runs random traffic with pauses in a random small internet without loss; returns the packets delivered at each host. */
function deliveries(
  seed: number,
  offload: boolean,
  workers = 1,
): { received: string[]; sent: number; carried: number; byWorkers: number } {
  const random = new SeededEntropy(seed, 0xfa57);
  const net = new Internet({ seed, offload, workers, delayMs: random.integer(2, 200) });
  net.addServer();
  const sites = [net.addRelay(), net.addRelay()];
  const natives = sites.map((site) => net.addNativeHost(site));
  natives.push(net.addHostRelay().host);
  const clients: SimClient[] = [];
  for (let i = random.integer(2, 5); i > 0; i--) {
    const behind = net.nats.length > 0 && random.chance(0.2) ? random.pick(net.nats) : random.pick(KINDS);
    clients.push(net.addClient({ behind, strictUnverified: random.chance(0.2) }));
  }
  expectQualified(net.world, 5_000, ...clients);
  const hosts: readonly Ipv6Host[] = [...clients.map(({ ipv6 }) => ipv6), ...natives];
  const received: string[] = [];
  hosts.forEach((host, i) =>
    host.listen(9, ({ payload }) => received.push(`${readUint32(payload, 0)} of ${payload.length} at ${i}`)),
  );
  let sent = 0;
  const send = (from: Ipv6Host, destination: Ipv6): void => {
    const payload = new Uint8Array(random.integer(4, 1_300));
    writeUint32(payload, 0, sent++);
    from.sendUdp({ destination, sourcePort: 1, destinationPort: 9, payload });
  };
  for (let burst = 0; burst < 40; burst++) {
    const [from, to] = [random.pick(hosts), random.pick(hosts)];
    const bothWays = random.chance(0.5);
    for (let i = random.integer(1, 60); i > 0; i--) {
      if (from !== to) send(from, to.address);
      if (from !== to && bothWays) send(to, from.address);
      net.world.runFor(random.integer(0, 400));
    }
    net.world.runFor(random.chance(0.3) ? random.integer(0, 70_000) : random.integer(0, 2_000));
  }
  net.world.runFor(20_000);
  const carriers = [...clients.map(({ carrier }) => carrier), ...sites.map(({ relay }) => relay.carrier)];
  const carried = carriers.reduce((sum, carrier) => sum + (carrier?.counters.carriedOut ?? 0), 0);
  const byWorkers = clients.reduce((sum, client) => sum + (client.workers?.carried ?? 0), 0);
  return { received: received.sort(), sent, carried, byWorkers };
}
