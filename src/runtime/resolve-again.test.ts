import { expect, onTestFinished, test } from 'vitest';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
import type { ServerCandidate } from '../core/client/index.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { Client } from './client.ts';
import { Server } from './server.ts';
import { ResolveAgain } from './resolve-again.ts';

const [GONE, FIRST, SECOND] = [v4('203.0.113.50'), v4('203.0.113.120'), v4('203.0.113.121')];
const OLD: readonly ServerCandidate[] = [{ primary: GONE, secondary: GONE + 1, name: 'it' }];
const NEW: readonly ServerCandidate[] = [{ primary: FIRST, secondary: SECOND, name: 'it' }];

/** A client: the name of its server leads to an address without one. The test moves the time. */
async function open(servers: readonly ServerCandidate[] = OLD) {
  const [wire, clock] = [new MemoryIpv4Network(), new MemoryClock()];
  const host = (seed: number, ...addresses: [number, ...number[]]): MemoryPorts =>
    new MemoryPorts(wire, addresses, seededEntropy(seed), clock);
  const startServer = async (): Promise<Server> => {
    const server = new Server({ address: FIRST, secondary: SECOND }, host(1, FIRST, SECOND));
    await server.start();
    onTestFinished(() => server.close());
    return server;
  };
  const client = new Client({ servers, localDiscovery: false }, host(2, v4('192.0.2.10')));
  const names = { answer: servers, asked: [] as number[] };
  const again = new ResolveAgain(
    client,
    servers,
    () => {
      names.asked.push(clock.now());
      return Promise.resolve(names.answer);
    },
    clock,
  );
  await client.start();
  onTestFinished(() => client.close());
  const pass = async (seconds: number): Promise<void> => {
    for (let left = seconds * 10; left > 0; left--) {
      clock.advance(100);
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { client, names, again, pass, clock, startServer };
}

test('a server that has moved is found under its new address, however long the old one was silent', async () => {
  const { client, names, pass, startServer } = await open();
  await startServer();
  await pass(300);
  expect(client.state).toBe('offline');
  names.answer = NEW;
  await pass(32);
  expect(client.state).toBe('qualified');
});

test('names are resolved again every 30 s while there is no server, and not while there is one', async () => {
  const { client, names, pass, clock, startServer } = await open(NEW);
  await pass(100);
  expect(names.asked.map((at) => Math.round(at / 1000))).toEqual([30, 60, 90]);
  const server = await startServer();
  await pass(20);
  expect(client.state).toBe('qualified');
  await pass(300);
  expect(names.asked.length).toBeLessThanOrEqual(4);
  await server.close();
  const [lost, before] = [clock.now(), names.asked.length];
  await pass(90);
  expect(client.state).not.toBe('qualified');
  expect(names.asked.length).toBeGreaterThan(before);
  expect(names.asked[before]! - lost).toBeLessThan(60_000);
});

test('the same addresses in another order do not start an attempt again', async () => {
  const servers: ServerCandidate[] = [
    ...OLD,
    { primary: v4('203.0.113.60'), secondary: undefined, name: 'it' },
  ];
  const { client, names, pass } = await open(servers);
  const changes: unknown[] = [];
  client.on('state', (state) => changes.push(state));
  names.answer = servers.toReversed();
  await pass(100);
  expect(names.asked.length).toBe(3);
  expect(changes).toEqual(['offline']);
});

test('after its end nothing is resolved any more', async () => {
  const { client, names, again, pass } = await open();
  await pass(10);
  again.rest();
  await client.close();
  await pass(100);
  expect([names.asked, again.isResolving]).toEqual([[], false]);
});
