/** Meaningless bytes, and nearly valid ones, at each role: it continues as if nothing had come. C-1 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping } from '../../src/lab/index.ts';
import type { Namespace, Running, Site } from '../../src/lab/index.ts';
import { DESTINATION, DatagramView, SOURCE, decodeDatagram, isTeredo } from '../../src/wire/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { bytesOf, vectors } from '../support/vectors.ts';
import { ATTACKER_ADDRESS, HonestPing, addHost, memoryOf, send, teredo, v6 } from './attack-lab.ts';
import { IS_ALL } from '../support/extent.ts';

const PORT = 5000;
const RANDOM = IS_ALL ? 100_000 : 30_000;

let net: Internet;
let attacker: Namespace;
let site: Site;
let clientAddress: Uint8Array;
const roles = new Map<string, { host: Namespace; running: Running; to: string; toPort: number }>();

beforeAll(async () => {
  net = new Internet();
  attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  site = net.site('a', 'full-cone');
  const server = await startServer(net.server, SERVER_ADDRESS);
  const relay = await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  clientAddress = v6(await teredoAddress(site.client));
  const { mapped } = (await statusOf(site.client, 'client'))!;
  const mappedPort = Number(String(mapped).split(':')[1]);
  roles.set('server', { host: net.server, running: server, to: SERVER_ADDRESS, toPort: 3544 });
  roles.set('relay', { host: net.relay, running: relay, to: RELAY_ADDRESS, toPort: 3545 });
  roles.set('client', { host: site.client, running: client, to: site.address, toPort: mappedPort });
});

afterAll(() => net[Symbol.asyncDispose]());

/** Each example unchanged, and with the attacker and the role's client as source and destination in place of Teredo addresses. */
function examples(): Uint8Array[] {
  const plain = vectors.datagrams.map(({ payload }) => bytesOf(payload));
  const view = new DatagramView();
  const apt = plain.map((payload) => {
    const ours = payload.slice();
    if (decodeDatagram(ours, 0, ours.length, view) !== undefined) return ours;
    const [source, destination] = [view.ipv6Start + SOURCE, view.ipv6Start + DESTINATION];
    if (isTeredo(ours, source)) ours.set(teredo(SERVER_ADDRESS, `${ATTACKER_ADDRESS}:${PORT}`), source);
    if (isTeredo(ours, destination)) ours.set(clientAddress, destination);
    return ours;
  });
  return [...plain, ...apt];
}

function* truncatedAndFlipped(): Generator<Uint8Array> {
  for (const whole of examples()) {
    for (let length = 0; length <= whole.length; length++) yield whole.slice(0, length);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = whole.slice();
      flipped[bit >>> 3] ^= 1 << (bit & 7);
      yield flipped;
    }
  }
}

/** Random from the first byte, or after the first bytes of a Teredo datagram: those are processed further. */
function randomDatagrams(): { payload: Uint8Array; vary: [number, number] }[] {
  const sizes = [1, 13, 40, 48, 61, 109, 200, 1280];
  const starts = ['', '6000000000083aff', '0001', '0000', '60000000'];
  return sizes.flatMap((size) =>
    starts
      .map((start) => bytesOf(start))
      .filter((start) => start.length < size)
      .map((start) => {
        const payload = new Uint8Array(size);
        payload.set(start);
        return { payload, vary: [start.length, size - start.length] };
      }),
  );
}

test.for(['server', 'relay', 'client'])(
  '%s: every example truncated and flipped, and random datagrams',
  async (name) => {
    const { host, running, to, toPort } = roles.get(name)!;
    const honest = await HonestPing.start(site.client, NATIVE_ADDRESS);
    const received = async (): Promise<number> => (await statusOf(host, name))!.counters.receivedDatagrams;
    const [memory, before] = [memoryOf(running), await received()];
    const order = { from: ATTACKER_ADDRESS, port: PORT, to, toPort, perSecond: 30_000 };
    const mutants = [...truncatedAndFlipped()];
    await send(attacker, { ...order, payloads: mutants });
    const kinds = randomDatagrams();
    await send(attacker, {
      ...order,
      payloads: kinds.map(({ payload }) => payload),
      vary: kinds.map(({ vary }) => vary),
      count: RANDOM,
    });
    expect(running.running).toBe(true);
    expect((await received()) - before).toBeGreaterThan(0.99 * (mutants.length + RANDOM));
    expect(memoryOf(running) - memory).toBeLessThan(100);
    const { answered, slowestMs } = await honest.stop();
    expect(answered).toBeGreaterThan(0.9);
    expect(slowestMs).toBeLessThan(1_000);
    expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();
  },
);
