import { expect, onTestFinished, test } from 'vitest';
import { at, seededEntropy } from '../../../test/support/client-rig.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import type { PortFactory } from '../../io/port-factory.ts';
import { Client } from '../client.ts';
import { ALL_NATIVE, Relay } from '../relay.ts';
import { Server } from '../server.ts';
import { rehearseClientWorker } from './rehearse-client-worker.ts';
import { rehearseClient } from './rehearse-client.ts';
import { rehearseRelay } from './rehearse-relay.ts';
import { ROUNDS, warmUp } from './warm-up.ts';

const HOST = at('192.0.2.10:3545');
const SERVER = at('198.51.100.1:3544').address;

const ROLES = {
  client: (ports: PortFactory) =>
    new Client({ servers: [{ primary: SERVER, secondary: SERVER + 1 }], interface: 'teredo' }, ports),
  relay: (ports: PortFactory) =>
    new Relay({ ...HOST, interface: 'teredo', serve: ALL_NATIVE, dataPath: 'user' }, ports),
  server: (ports: PortFactory) => new Server({ address: HOST.address, dataPath: 'user' }, ports),
};

/** A role that has started, and all that can be seen of it. */
async function startedWith(role: keyof typeof ROLES, rehearsalMs: number | undefined) {
  const entropy = seededEntropy(1);
  const drawn: number[] = [];
  const ports = new MemoryPorts(new MemoryIpv4Network(), [HOST.address, HOST.address + 1], {
    fill: (target) => {
      entropy.fill(target);
      drawn.push(...target);
    },
  });
  const started = ROLES[role](Object.assign(ports, { rehearsalMs }));
  onTestFinished(() => started.close());
  await started.start();
  const sent = [...ports.sockets].map((socket) => socket.counters);
  return { status: started.status(), drawn, sent, raw: ports.rawPackets };
}

test.for(['client', 'relay', 'server'] as const)(
  'a rehearsal changes nothing of the %s that is started: tables, counters, limits, keys, what it sends',
  async (role) => {
    expect(await startedWith(role, 1)).toEqual(await startedWith(role, undefined));
  },
);

test('a rehearsal ends after its rounds, or when its time is over', () => {
  const clock = new MemoryClock();
  const ports = new MemoryPorts(new MemoryIpv4Network(), [HOST.address], seededEntropy(1), clock);
  /** How many rounds are begun, where each takes so long. */
  const roundsOf = (milliseconds: number, rehearsalMs: number | undefined): number => {
    let rounds = 0;
    function* rehearse(): Generator<number> {
      for (;;) {
        clock.advance(milliseconds);
        yield rounds++;
      }
    }
    warmUp(Object.assign(ports, { rehearsalMs }), rehearse);
    return rounds;
  };
  expect(roundsOf(0, 25)).toBe(ROUNDS);
  expect(roundsOf(10, 25)).toBe(3);
  expect(roundsOf(10, undefined)).toBe(0);
});

/** How much each round adds to the sum that a rehearsal yields. */
function gains(rehearsal: Iterator<number>): number[] {
  const sums = Array.from({ length: ROUNDS }, () => rehearsal.next().value as number);
  return sums.map((sum, i) => sum - (sums[i - 1] ?? 0));
}

test('in each round of a relay all packets come through', () => {
  // The packet that waited, and three times one down and two up.
  expect(new Set(gains(rehearseRelay()))).toEqual(new Set([10]));
});

test('a client qualifies, and in each round all packets come through', () => {
  // Three requests of the native host and three replies; in every second round also the reply for which the contact was made.
  expect(new Set(gains(rehearseClient()).slice(5))).toEqual(new Set([6, 7]));
});

test("in each round of a client's worker all packets come through", () => {
  // Three times one from the peer and one to it.
  expect(new Set(gains(rehearseClientWorker()))).toEqual(new Set([6]));
});
