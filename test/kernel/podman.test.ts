/** Containers of rootless podman: `teredo attach` from outside, and `teredo client` inside. */
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { asUser, makeUser, processesOf } from '../support/guest.ts';
import { NOBODY, runContainer } from '../support/podman.ts';
import { PROGRAM, startRelay, startServer } from '../support/roles.ts';

const PORT = 8_000;
const WEB =
  `require('http').createServer((q, s) => s.end('asked by ' + q.socket.remoteAddress + '\\n'))` +
  `.listen(${PORT}, '::', () => console.log('listening'))`;
/** Asks the native host until it answers. */
const ASKING = `until busybox wget -qO- http://[${NATIVE_ADDRESS}]:${PORT}/; do sleep 0.1; done`;

/** A host behind a NAT, in an Internet with a native host that answers. */
async function hostIn(net: Internet): Promise<Namespace> {
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await net.native.spawn(process.execPath, ['-e', WEB]).waitFor(/listening/);
  return net.site('a', 'port-restricted').client;
}

test.runIf(IS_ALL)('attach: a container reaches a native host', async () => {
  await using net = new Internet();
  const [host, user] = [await hostIn(net), makeUser(NOBODY)];
  const script = `${ASKING}; exec sleep 1000`;
  const container = runContainer(host, user, [], script);
  const pid = await until('the container', () => {
    const inside = processesOf(user).filter(({ words }) => words[0] === '/bin/sh' && words[2] === script);
    return inside.length === 1 ? inside[0]!.pid : undefined;
  });
  const attached = asUser(host, user, 'attach', '--server', SERVER_ADDRESS, String(pid));
  await container.waitFor(/asked by 2001:0:/);
  process.kill(pid, 'SIGKILL');
  await container.exited;
  expect(await attached.exited, attached.output).toBe(0);
});

test.runIf(IS_ALL)('client: in a container with the device, CAP_NET_ADMIN and a read-only root', async () => {
  await using net = new Internet();
  const [host, user] = [await hostIn(net), makeUser(NOBODY)];
  const options = ['--cap-add=NET_ADMIN', '--device=/dev/net/tun', '--read-only'];
  const client = `${process.execPath} ${PROGRAM} client --server ${SERVER_ADDRESS}`;
  const container = runContainer(host, user, options, `touch /etc/written; ${client} & ${ASKING}`);
  await container.waitFor(/asked by 2001:0:/);
  expect(container.output).toMatch(/Read-only file system/);
  await container.exited;
});

test.runIf(IS_ALL)(
  'proxy: a container without the device, rights and a network uses that of the host',
  async () => {
    await using net = new Internet();
    const [host, user] = [await hostIn(net), makeUser(NOBODY)];
    const folder = join(user.folder, 'proxy');
    mkdirSync(folder, { mode: 0o700 });
    chownSync(folder, user.id, user.id);
    const words = [
      '--server',
      SERVER_ADDRESS,
      '--allow-private',
      '--listen',
      `unix:${join(folder, 'socket')}`,
    ];
    const proxy = asUser(host, user, 'proxy', ...words);
    await proxy.waitFor(/socket/);
    const program = `${process.execPath} ${PROGRAM}`;
    const script =
      `${program} exec --server ${SERVER_ADDRESS} -- true; echo "status $?"; ` +
      `curl -sS --proxy socks5h://localhost/proxy/socket http://[${NATIVE_ADDRESS}]:${PORT}/`;
    const container = runContainer(host, user, ['--network=none', `--volume=${folder}:/proxy`], script);
    await container.exited;
    expect(container.output).toMatch(/teredo: .*"teredo proxy" of (its|the) host\nstatus [14]\n/);
    expect(container.output).toMatch(/asked by 2001:0:/);
  },
);
