/** Addresses on `dummy`, and an uplink that is a VLAN of a bond, if the kernel has such interfaces. adr/0015 */
import { expect, test } from 'vitest';
import { Lab, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { ATTACKER_ADDRESS, send } from '../attack/attack-lab.ts';
import { eventually } from '../support/eventually.ts';
import { hasKind } from '../support/links.ts';
import { startServer, statusOf } from '../support/roles.ts';
import { solicitation } from '../support/server-rig.ts';

const COUNT = 100;

test('a server behind a VLAN of a bond decides each datagram once, and answers through the VLAN', async ({
  skip,
}) => {
  await using lab = new Lab();
  const [server, asker] = [lab.host('server'), lab.host('asker')];
  lab.wire(server, 'u1', [], asker, 'wan', []);
  if (['dummy', 'bond', 'vlan'].some((kind) => !hasKind(server, kind)))
    skip('this kernel has no such interfaces');
  server.ipBatch(
    'link add dummy0 type dummy',
    'link set dummy0 up',
    `address add ${SERVER_ADDRESS}/32 dev dummy0`,
    'link set u1 down',
    'link add bond0 type bond mode active-backup',
    'link set u1 master bond0',
    'link set bond0 up',
    'link add link bond0 name vlan10 type vlan id 10',
    'link set vlan10 up',
    'address add 10.8.1.2/24 dev vlan10',
    'route add default via 10.8.1.1',
  );
  asker.ipBatch(
    'link add link wan name vlan10 type vlan id 10',
    'link set vlan10 up',
    'address add 10.8.1.1/24 dev vlan10',
    `address add ${ATTACKER_ADDRESS}/32 dev vlan10`,
    `route add ${SERVER_ADDRESS}/32 via 10.8.1.2 src ${ATTACKER_ADDRESS}`,
  );
  await startServer(server, SERVER_ADDRESS, '--data-path', 'auto');
  await eventually(async () => expect(await pathOf(server)).toMatchObject({ inUse: 'kernel' }));
  await eventually(async () => expect(await ask(asker, 1)).toBe(1));
  const before = (await pathOf(server)).counters;
  expect(await ask(asker, COUNT)).toBe(COUNT);
  const after = (await pathOf(server)).counters;
  const [answered, left] = ['solicitationsAnswered', 'leftToSockets'].map(
    (name) => after[name]! - before[name]!,
  );
  expect(answered! + left!).toBe(COUNT);
  expect(answered).toBeGreaterThan(COUNT / 2);
});

/** How many of this number are answered. */
async function ask(host: Namespace, count: number): Promise<number> {
  const { heard } = await send(host, {
    from: ATTACKER_ADDRESS,
    to: SERVER_ADDRESS,
    toPort: 3_544,
    payloads: [solicitation()],
    count,
    perSecond: COUNT,
    wanted: count,
  });
  return heard;
}

async function pathOf(host: Namespace) {
  return (await statusOf(host, 'server'))!['dataPath'] as { readonly counters: Record<string, number> };
}
