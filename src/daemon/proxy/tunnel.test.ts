import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { tunnel } from './tunnel.ts';

/** Both ends of a connection, over TCP or a Unix socket. */
async function pair(isUnix: boolean): Promise<[Socket, Socket]> {
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
    : connect((server.address() as AddressInfo).port);
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
