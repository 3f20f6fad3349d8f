import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, transfer } from '../../lab/index.ts';
import type { Namespace, Running } from '../../lab/index.ts';
import { EXIT } from '../../daemon/exit-codes.ts';
import { printLine } from '../output.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/teredo', import.meta.url));
const TRANSFER_BYTES = 50_000_000;

/** Runs the demo; the exit status says whether every step worked. */
export async function runDemo(keep: boolean): Promise<number> {
  const name = `demo${process.pid}`;
  await using net = new Internet();
  printLine(
    'An internet in network namespaces: server, relay, native IPv6 host, and two clients behind NATs.',
  );
  const a = net.site('a', 'port-restricted');
  const b = net.site('b', 'port-restricted');
  let good = true;
  const step = async (text: string, action: () => Promise<string | undefined>): Promise<void> => {
    const result = await action();
    printLine(
      `${result === undefined ? 'FAILED' : 'ok    '}  ${text}${result === undefined ? '' : `: ${result}`}`,
    );
    good &&= result !== undefined;
  };
  const start = (host: Namespace, role: string, ...args: string[]): Running =>
    host.spawn(process.execPath, [PROGRAM, role, '--name', `${name}-${host.name}`, ...args]);
  const running = (program: Running): Promise<string | undefined> =>
    program.waitFor(/is running/).then(
      () => `pid ${program.pid}`,
      (error: Error) => complain(error),
    );

  const server = start(net.server, 'server', '--address', SERVER_ADDRESS);
  await step(`server on ${SERVER_ADDRESS} and the address after it`, () => running(server));
  const relay = start(net.relay, 'relay', '--address', RELAY_ADDRESS);
  await step(`relay on ${RELAY_ADDRESS}, between the clients and native IPv6`, () => running(relay));

  const clients = new Map<Namespace, string>();
  for (const [letter, site] of [['A', a] as const, ['B', b] as const]) {
    const client = start(site.client, 'client', '--server', SERVER_ADDRESS);
    await step(`client ${letter} behind the NAT ${site.address} qualifies`, async () => {
      try {
        const [, address, nat] = await client.waitFor(/qualified: (\S+), (.*)/);
        clients.set(site.client, address!);
        return `${address} (${nat})`;
      } catch (error) {
        return complain(error as Error);
      }
    });
  }
  const addressA = clients.get(a.client);
  const addressB = clients.get(b.client);
  if (addressA === undefined || addressB === undefined) return EXIT.FAILED;

  const pingStep = (text: string, from: Namespace, to: string): Promise<void> =>
    step(text, async () => {
      const begun = performance.now();
      const time = await ping(from, to, 10_000);
      return time === undefined
        ? undefined
        : `first answer after ${(performance.now() - begun).toFixed(0)} ms`;
    });
  await pingStep('client A pings the native host', a.client, NATIVE_ADDRESS);
  await pingStep('the native host pings client B, which it has never met', net.native, addressB);
  await pingStep('client A pings client B, straight through both NATs', a.client, addressB);
  await pingStep('client B pings client A', b.client, addressA);

  const transferStep = (text: string, from: Namespace, to: Namespace, address: string): Promise<void> =>
    step(text, async () => {
      const { whole, seconds } = await transfer(from, to, address, TRANSFER_BYTES);
      const rate = (TRANSFER_BYTES * 8) / seconds / 1e6;
      return whole ? `${TRANSFER_BYTES / 1e6} MB whole, ${rate.toFixed(0)} Mbit/s` : undefined;
    });
  await transferStep('TCP from client A to the native host', a.client, net.native, NATIVE_ADDRESS);
  await transferStep('TCP from the native host to client A', net.native, a.client, addressA);
  await transferStep('TCP from client A to client B', a.client, b.client, addressB);

  if (keep) await lookRound(a.client, name);
  printLine(good ? 'Everything worked.' : 'Something failed: see above.');
  return good ? EXIT.OK : EXIT.FAILED;
}

function complain(error: Error): undefined {
  process.stderr.write(`${error.message}\n`);
  return undefined;
}

async function lookRound(client: Namespace, name: string): Promise<void> {
  printLine('Kept for you to look round; Ctrl-C ends it. For example:');
  printLine(`  ip netns exec ${client.name} ping ${NATIVE_ADDRESS}`);
  printLine(`  ${relative('.', PROGRAM)} status ${name}-${client.name}`);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {}, 60_000); // keeps the process alive
    process.once('SIGINT', () => {
      clearInterval(timer);
      resolve();
    });
  });
}
