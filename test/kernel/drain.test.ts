/** A relay that is to end withdraws its announcement, and carries the packets that still come. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import type { Running } from '../../src/lab/index.ts';
import {
  nameOf,
  PROGRAM,
  startClient,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';

test('a relay drains by command and at SIGTERM, and loses no ping', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await startRelay(net.relay, RELAY_ADDRESS, '--drain', '3s');
  await startClient(client, SERVER_ADDRESS);
  const address = await teredoAddress(client);
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  const pings = [
    client.spawn('ping', ['-n', '-i', '0.02', NATIVE_ADDRESS]),
    net.native.spawn('ping', ['-n', '-i', '0.02', address]),
  ];
  for (const one of pings) await one.waitFor(/icmp_seq=20 /);
  const teredo = (...args: string[]): string => net.relay.execute(process.execPath, PROGRAM, ...args);
  const routes = (): string => net.relay.ip('-6', 'route', 'show', 'dev', 'teredo');
  expect(routes()).toContain('2001::/32 ');
  const monitor = net.relay.spawn('stdbuf', ['-oL', 'ip', '-6', 'monitor', 'route']);
  await until('the monitor', () => {
    net.relay.ip('route', 'replace', 'blackhole', '2001:db8:ffff::/48');
    return monitor.output.includes('2001:db8:ffff::/48');
  });

  expect(teredo('drain', nameOf(net.relay, 'relay'))).toMatch(/is draining: it still serves 1 peer\n$/);
  await until('the withdrawal', () => !routes().includes('2001::/32 '), 5_000);
  expect(routes()).toContain('2001::/33 ');
  expect(await statusOf(net.relay, 'relay')).toMatchObject({ state: 'draining' });
  teredo('drain', nameOf(net.relay, 'relay'));
  expect(() => teredo('ready', nameOf(net.relay, 'relay'))).toThrow(/failed \(1\)/);

  const signalledAt = performance.now();
  relay.kill('SIGTERM');
  await Promise.all(pings.map((one) => oneMoreSecondOf(one)));
  expect(relay.running).toBe(true);
  for (const one of pings) {
    one.kill('SIGINT');
    await one.exited;
    expect(unanswered(one), one.output).toEqual([]);
  }
  expect(await relay.exited).toBe(0);
  expect(performance.now() - signalledAt).toBeGreaterThan(2_900);
  expect(monitor.output).toMatch(/^Deleted 2001::\/32 /m);
  expect(monitor.output, 'announced again').not.toMatch(/^2001::\/32 /m);
});

/** 50 more answers, 20 ms apart. */
async function oneMoreSecondOf(pings: Running): Promise<void> {
  await pings.waitFor(new RegExp(`icmp_seq=${answered(pings).at(-1)! + 50} `));
}

/** The numbers without an answer before the last one with an answer. A ping whose answer is on its way when the program ends is not lost. */
function unanswered(pings: Running): number[] {
  const numbers = answered(pings);
  return Array.from({ length: numbers.at(-1)! }, (_, i) => i + 1).filter((one) => !numbers.includes(one));
}

function answered(pings: Running): number[] {
  return [...pings.output.matchAll(/icmp_seq=(\d+) /g)].map(([, number]) => Number(number));
}

test('another user may not drain a relay, and a server has nothing to drain', async () => {
  await using net = new Internet();
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const drain =
    (...before: string[]) =>
    (name: string): string =>
      net.relay.execute(...(before as [string]), process.execPath, PROGRAM, 'drain', name);
  const asNobody = drain('setpriv', '--reuid', '65534', '--clear-groups', '--');
  expect(() => asNobody(nameOf(net.relay, 'relay'))).toThrow(
    /failed \(4\): .*not permitted: drain .* as its user or as root/,
  );
  expect(() => drain('env')(nameOf(net.server, 'server'))).toThrow(/is no relay/);
  expect(await statusOf(net.relay, 'relay')).toMatchObject({ state: 'running' });
});
