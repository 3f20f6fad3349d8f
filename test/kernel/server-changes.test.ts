/** The server's kernel path on a real host: its links, addresses and routes, and their changes. adr/0015 */
import { expect, test } from 'vitest';
import { SERVER_LIMITS } from '../../src/core/server/limits.ts';
import { Internet, SERVER_ADDRESS, SERVER_SECONDARY, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { ATTACKER_ADDRESS, ArrivalCounter, addHost, send, teredo } from '../attack/attack-lab.ts';
import { eventually } from '../support/eventually.ts';
import { cutRuns } from '../support/links.ts';
import { startServer, statusOf } from '../support/roles.ts';
import { solicitation } from '../support/server-rig.ts';
import { buildBubble } from '../../src/wire/index.ts';

const PORT = 5_000;
const ASKER = teredo(SERVER_ADDRESS, `${ATTACKER_ADDRESS}:${PORT}`);

test('over virtual links, where checksums are left to the receiver, the kernel answers and forwards', async () => {
  await using net = new Internet();
  const asker = addHost(net, 'asker', ATTACKER_ADDRESS);
  await startServer(net.server, SERVER_ADDRESS, '--data-path', 'kernel');
  // Sent to itself: the receiver has verified the checksums of packets that come back.
  await eachByKernel(net.server, asker, solicitation(), buildBubble(ASKER, ASKER, 21));
  expect(await pathOf(net.server)).toMatchObject({
    inUse: 'kernel',
    counters: { receivedDatagrams: 2, solicitationsAnswered: 1, forwardedToClients: 1 },
  });
});

test('an address that goes and comes back: the status shows the data path, and the server answers', async () => {
  await using net = new Internet();
  const asker = addHost(net, 'asker', ATTACKER_ADDRESS);
  const server = await startServer(net.server, SERVER_ADDRESS, '--data-path', 'kernel');
  net.server.ip('address', 'delete', `${SERVER_ADDRESS}/24`, 'dev', 'wan');
  await eventuallyUses(net.server, {
    inUse: 'user',
    reason: `no interface that is up has ${SERVER_ADDRESS}`,
  });
  await server.waitFor(/ data path: user \(no interface/m);
  // The kernel has also removed the subnet's other address, and the routes that named this one.
  net.server.ipBatch(
    ...[SERVER_ADDRESS, SERVER_SECONDARY].map((address) => `address add ${address}/24 dev wan`),
    `route add 192.0.2.0/24 dev wan src ${SERVER_ADDRESS}`,
  );
  await eventuallyUses(net.server, { inUse: 'kernel' });
  await server.waitFor(/ data path: kernel$/m);
  await eachByKernel(net.server, asker, solicitation());
  expect(await pathOf(net.server)).toMatchObject({ counters: { solicitationsAnswered: 1 } });
});

test('an interface that was removed and made again before the server looks', async () => {
  await using net = new Internet();
  const asker = addHost(net, 'asker', ATTACKER_ADDRESS);
  const server = await startServer(net.server, SERVER_ADDRESS, '--data-path', 'kernel');
  const before = net.server.ip('-o', 'link', 'show', 'wan');
  server.kill('SIGSTOP');
  net.server.ip('link', 'delete', 'wan');
  net.attach(net.server, 'wan', SERVER_ADDRESS, SERVER_SECONDARY);
  expect(net.server.ip('-o', 'link', 'show', 'wan').split(':')[0]).not.toBe(before.split(':')[0]);
  server.kill('SIGCONT');
  await until('an answer of the kernel', async () => {
    await ask(asker);
    return answeredByKernel(await pathOf(net.server)) > 0;
  });
});

test('a bubble whose route leads elsewhere takes that route: by the process, and with the full limit', async () => {
  await using net = new Internet();
  const asker = addHost(net, 'asker', ATTACKER_ADDRESS);
  const far = net.lab.host('far');
  net.lab.wire(net.server, 'side', ['10.9.0.1/24'], far, 'side', ['10.9.0.2/24', '198.51.100.99/32']);
  cutRuns(net.server);
  const arrived = new ArrivalCounter(far);
  await startServer(net.server, SERVER_ADDRESS, '--data-path', 'kernel');
  await eventuallyUses(net.server, { inUse: 'kernel' });
  net.server.ip('route', 'add', '198.51.100.99/32', 'via', '10.9.0.2');
  const payloads = [buildBubble(ASKER, teredo(SERVER_ADDRESS, '198.51.100.99:6000'), 21)];
  await until('a bubble that arrives', async () => {
    await send(asker, { ...ORDER, payloads });
    return arrived.read().packets > 0;
  });
  const { burst } = SERVER_LIMITS.forwardedByPair.shared;
  await send(asker, { ...ORDER, payloads, count: 2 * burst });
  await until('the whole of the limit', () => arrived.read().packets >= burst);
  await eachByKernel(net.server, asker, solicitation());
  expect(await pathOf(net.server)).toMatchObject({ inUse: 'kernel', counters: { solicitationsAnswered: 1 } });
});

const ORDER = { from: ATTACKER_ADDRESS, port: PORT, to: SERVER_ADDRESS, toPort: 3_544 };

/** Sends it to the server, and waits for a possible answer. */
function ask(host: Namespace, payload: Uint8Array = solicitation()) {
  return send(host, { ...ORDER, payloads: [payload], wanted: 1 });
}

/** Each is answered. If the kernel leaves one to the process as a sample, it is sent once more. */
async function eachByKernel(server: Namespace, asker: Namespace, ...payloads: Uint8Array[]): Promise<void> {
  const decided = async () =>
    ((await pathOf(server)) as { counters: { receivedDatagrams: number } }).counters.receivedDatagrams;
  for (const payload of payloads) {
    const before = await decided();
    do expect((await ask(asker, payload)).answers).toHaveLength(1);
    while ((await decided()) === before);
  }
}

async function pathOf(host: Namespace): Promise<unknown> {
  return (await statusOf(host, 'server'))!['dataPath'];
}

function answeredByKernel(path: unknown): number {
  return (path as { counters: { solicitationsAnswered: number } }).counters.solicitationsAnswered;
}

async function eventuallyUses(host: Namespace, path: unknown): Promise<void> {
  await eventually(async () => expect(await pathOf(host)).toMatchObject(path as object));
}
