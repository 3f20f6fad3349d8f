/** The server's kernel path on a host as it is: its links, addresses and routes, and what becomes of them. adr/0015 */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { ATTACKER_ADDRESS, addHost, send, teredo } from '../attack/ground.ts';
import { startServer, statusOf } from '../support/roles.ts';
import { solicitation } from '../support/server-rig.ts';
import { buildBubble } from '../../src/wire/index.ts';

const PORT = 5_000;
const ASKER = teredo(SERVER_ADDRESS, `${ATTACKER_ADDRESS}:${PORT}`);

test('over virtual links, where checksums are left to the receiver, the kernel answers and forwards', async () => {
  await using net = new Internet();
  const asker = addHost(net, 'asker', ATTACKER_ADDRESS);
  await startServer(net.server, SERVER_ADDRESS, '--data-path', 'kernel');
  expect((await ask(asker)).answers).toHaveLength(1);
  // To the asker itself: what comes back the receiver has found to be right.
  expect((await ask(asker, buildBubble(ASKER, ASKER, 21))).answers).toHaveLength(1);
  expect(await pathOf(net.server)).toMatchObject({
    inUse: 'kernel',
    counters: { receivedDatagrams: 2, solicitationsAnswered: 1, forwardedToClients: 1 },
  });
});

/** Sends it to the server, and waits for what may come back. */
function ask(host: Namespace, payload: Uint8Array = solicitation()) {
  return send(host, {
    from: ATTACKER_ADDRESS,
    port: PORT,
    to: SERVER_ADDRESS,
    toPort: 3_544,
    payloads: [payload],
    wanted: 1,
  });
}

async function pathOf(host: Namespace): Promise<unknown> {
  return (await statusOf(host, 'server'))!['dataPath'];
}
