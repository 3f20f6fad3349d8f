import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { tunnel } from './tunnel.ts';

/** Both ends of a connection, over TCP or a Unix socket. */
async function pair(isUnix: boolean, allowHalfOpen = false): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  const folder = mkdtempSync(join(tmpdir(), 'tunnel-'));
  onTestFinished(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await once(isUnix ? server.listen(join(folder, 'socket')) : server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const path = join(folder, 'socket');
  const near = isUnix
    ? connect({ path, allowHalfOpen: true })
    : connect({ port: (server.address() as AddressInfo).port, allowHalfOpen });
  const [far] = await accepted;
  for (const socket of [near, far]) socket.on('error', () => {});
  onTestFinished(() => [near, far].forEach((socket) => socket.destroy()));
  return [near, far];
}

test.for([
  [false, 'target'],
  [false, 'client'],
  [true, 'target'],
  [true, 'client'],
] as const)(
  'Unix socket of the client: %s; when the %s dies, both ends are closed',
  async ([isUnix, victim]) => {
    const [client, ours] = await pair(isUnix);
    const [target, theirs] = await pair(false);
    const done = tunnel(ours, theirs);
    client.write('x');
    await once(target, 'data');
    if (victim === 'target') target.resetAndDestroy();
    else client.destroy();
    await done;
    expect([ours.destroyed, theirs.destroyed]).toEqual([true, true]);
  },
);

/** Carries octets in turn for so long; returns the time from the last one to the end of the connection. */
async function idleTime(
  talkMs: number,
  idle: Parameters<typeof tunnel>[2],
  isHalfClosed: boolean,
): Promise<number> {
  const [client, ours] = await pair(false, true);
  const [target, theirs] = await pair(false, true);
  const done = tunnel(ours, theirs, idle);
  const begun = performance.now();
  do {
    await carryOne(client, target);
    await carryOne(target, client);
  } while (performance.now() - begun < talkMs);
  client.resume();
  if (isHalfClosed) target.end();
  const last = performance.now();
  await done;
  expect([ours.destroyed, theirs.destroyed]).toEqual([true, true]);
  return performance.now() - last;
}

async function carryOne(from: Socket, to: Socket): Promise<void> {
  from.write('x');
  await once(to, 'data');
}

test('a connection that carries nothing is ended after its time, and not while it carries something', async () => {
  const time = await idleTime(1_500, { bothMs: 1_000, halfClosedMs: 60_000 }, false);
  expect(time).toBeGreaterThan(150);
  expect(time).toBeLessThan(10_000);
});

test('one of which a direction has ended has another time', async () => {
  const time = await idleTime(0, { bothMs: 60_000, halfClosedMs: 300 }, true);
  expect(time).toBeGreaterThan(250);
  expect(time).toBeLessThan(10_000);
});
