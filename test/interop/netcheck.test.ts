/** `teredo netcheck` with a miredo server: no check needs a server of this program. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, SERVER_SECONDARY, until } from '../../src/lab/index.ts';
import { startMiredoServer } from '../support/miredo.ts';
import { PROGRAM } from '../support/roles.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';

const NATS = [
  ['full-cone', 'endpoint-independent', 'endpoint-independent'],
  ['port-restricted', 'endpoint-independent', 'address-dependent-or-stricter'],
  ['symmetric-sequential', 'address-dependent-or-stricter', 'address-dependent-or-stricter'],
] as const;

test.for(everyNth(2, NATS))('%s', async ([kind, mapping, filtering]) => {
  await using net = new Internet();
  const site = net.site('a', kind, { udpTimeoutSeconds: 6 });
  startMiredoServer(net.server, SERVER_ADDRESS, SERVER_SECONDARY);
  await until(
    'a server that listens',
    () => net.server.execute('ss', '-lun').includes(`${SERVER_SECONDARY}:3544`) || undefined,
  );
  // Once is enough: it takes long.
  const isTimed = IS_ALL && kind === 'port-restricted';
  const args = ['netcheck', '--server', SERVER_ADDRESS, '--json', ...(isTimed ? ['--lifetime', '20'] : [])];
  const running = site.client.spawn(process.execPath, [PROGRAM, ...args]);
  expect(await running.exited, running.output).toBe(0);
  expect(JSON.parse(running.stdout)).toMatchObject({
    works: true,
    behaviour: { mapping, filtering, seenFrom: [SERVER_ADDRESS, SERVER_SECONDARY] },
    ...(isTimed ? { lifetime: { survivedSeconds: 4 } } : {}),
  });
});
