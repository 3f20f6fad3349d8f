/** `teredo attach`: the network of a running process has IPv6 through Teredo. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import {
  asUser,
  containerOf,
  keptIdContainer,
  makeUser,
  processesOf,
  rootfulContainer,
  withRightsOf,
} from '../support/guest.ts';
import type { Container, User } from '../support/guest.ts';
import { PROGRAM, startRelay, startServer } from '../support/roles.ts';

async function lab(): Promise<{ net: Internet; host: Namespace; user: User }> {
  const net = new Internet();
  const host = net.site('a', 'port-restricted').client;
  await startServer(net.server, SERVER_ADDRESS);
  return { net, host, user: makeUser() };
}

function attach(host: Namespace, user: User, pid: number | string, ...options: string[]): Running {
  return asUser(host, user, 'attach', '--server', SERVER_ADDRESS, ...options, String(pid));
}

async function refusal(host: Namespace, user: User, pid: number | string): Promise<string> {
  const attached = attach(host, user, pid);
  return `${await attached.exited} ${attached.output}`;
}

/** The interfaces of a container. */
function interfacesOf(container: Container): string[] {
  return [...container.run('ip', '-o', 'link').matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name!);
}

test('a container has IPv6 until its client ends, also by kill -9', { timeout: 60_000 }, async () => {
  const { net, host, user } = await lab();
  await using _ = net;
  await startRelay(net.relay, RELAY_ADDRESS);
  const container = await containerOf(host, user);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const attached = attach(host, user, container.pid);
    await attached.waitFor(/has the IPv6 address 2001:0:\S+ on its interface "teredo": .* reachable/);
    expect(container.run('ping', '-c', '1', NATIVE_ADDRESS)).toMatch(/1 received/);
    attached.kill(signal);
    expect(await attached.exited, attached.output).toBe(signal === 'SIGTERM' ? 0 : 137);
    await until('the end of the interface', () => !interfacesOf(container).includes('teredo') || undefined);
  }
});

test('a container in which its user is not root has IPv6', async () => {
  const { net, host, user } = await lab();
  await using _ = net;
  await startRelay(net.relay, RELAY_ADDRESS);
  const container = await keptIdContainer(host, user);
  const attached = attach(host, user, container.pid);
  await attached.waitFor(/has the IPv6 address/);
  expect(container.run('ping', '-c', '1', NATIVE_ADDRESS)).toMatch(/1 received/);
  await attached.stop();
});

test('the client ends with the process', async () => {
  const { net, host, user } = await lab();
  await using _ = net;
  const container = await containerOf(host, user);
  const attached = attach(host, user, container.pid);
  await attached.waitFor(/has the IPv6 address/);
  container.end();
  expect(await attached.exited, attached.output).toBe(0);
  expect(attached.output).toMatch(/process \d+ has ended/);
  await until('the end of all processes', () => processesOf(user).length === 0 || undefined);
});

test.runIf(IS_ALL)('root attaches to a container of root, in which IPv6 is switched off', async () => {
  const { net, host } = await lab();
  await using _ = net;
  await startRelay(net.relay, RELAY_ADDRESS);
  const container = await rootfulContainer(host);
  for (const scope of ['all', 'default'])
    container.run('sysctl', '-qw', `net.ipv6.conf.${scope}.disable_ipv6=1`);
  const words = ['attach', '--server', SERVER_ADDRESS, '--inbound', 'refuse', String(container.pid)];
  const attached = host.spawn(process.execPath, [PROGRAM, ...words]);
  await attached.waitFor(/has the IPv6 address .*: incoming connections are refused/);
  expect(container.run('ping', '-c', '1', NATIVE_ADDRESS)).toMatch(/1 received/);
  expect(container.run('sysctl', '-n', 'net.ipv6.conf.all.disable_ipv6').trim()).toBe('1');
});

test('processes that cannot be attached to', async () => {
  const { net, host, user } = await lab();
  await using _ = net;
  const other = makeUser();
  const [ofOther, ofRoot] = await Promise.all([containerOf(host, other), rootfulContainer(host)]);
  expect(await refusal(host, user, 'web')).toMatch(/^2 .*has to be the number of a process/s);
  expect(await refusal(host, user, 4_194_304)).toMatch(/^1 .*there is no process 4194304/s);
  expect(await refusal(host, user, ofOther.pid)).toContain(`belongs to another user (${other.id})`);
  expect(await refusal(host, user, ofRoot.pid)).toMatch(/^4 .*belongs to another user \(0\)/s);
  const inHost = host.spawn('env', withRightsOf(user, 'sh', '-c', 'echo "pid $$"; exec sleep 1000'));
  const [, pid] = await inHost.waitFor(/pid (\d+)/);
  expect(await refusal(host, user, pid!)).toMatch(/^1 .*is in the network of this host/s);
});

test.runIf(IS_ALL)('networks that cannot have an interface more', async () => {
  const { net, host, user } = await lab();
  await using _ = net;
  const container = await containerOf(host, user);
  container.run('ip', 'link', 'add', 'teredo', 'type', 'veth', 'peer', 'other');
  expect(await refusal(host, user, container.pid)).toMatch(/^1 .*interface with this name already/s);
  container.run('ip', 'link', 'del', 'teredo');
  const first = attach(host, user, container.pid);
  await first.waitFor(/has the IPv6 address/);
  const second = attach(host, user, container.pid, '--interface', 'second');
  expect(await second.exited).toBe(1);
  expect(second.output).toMatch(/IPv6 through Teredo already, on its interface "teredo"/);
  await first.stop();
  container.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'far');
  container.run('ip', '-6', 'address', 'add', '2001:db8:9::2/64', 'dev', 'eth0', 'nodad');
  for (const name of ['eth0', 'far']) container.run('ip', 'link', 'set', name, 'up');
  container.run('ip', '-6', 'route', 'add', 'default', 'dev', 'eth0');
  expect(await refusal(host, user, container.pid)).toMatch(/^1 .*native IPv6 already/s);
  expect(interfacesOf(container)).not.toContain('teredo');
});
