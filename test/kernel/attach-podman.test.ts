/** `teredo attach` to a container of rootless podman. */
import { chownSync, copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { asUser, makeUser, processesOf, withRightsOf } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { startRelay, startServer } from '../support/roles.ts';

/** An account that each Debian has: podman looks it up. */
const NOBODY = 65_534;
const PORT = 8_000;
const WEB =
  `require('http').createServer((q, s) => s.end('asked by ' + q.socket.remoteAddress + '\\n'))` +
  `.listen(${PORT}, '::', () => console.log('listening'))`;
/** Tells the container's process from others of the account. */
const MARK = String(1_000_000 + process.pid);
const ASKING = `until wget -qO- http://[${NATIVE_ADDRESS}]:${PORT}/; do sleep 0.1; done; exec sleep ${MARK}`;

/** Runs a container that asks the native host until it is answered. All its processes end with it. */
function runContainer(host: Namespace, user: User): Running {
  const [files, home, run] = ['files', 'home', 'run'].map((name) => join(user.folder, name));
  for (const folder of [files!, join(files!, 'bin'), home!, run!]) {
    mkdirSync(folder);
    chownSync(folder, user.id, user.id);
  }
  copyFileSync('/bin/busybox', join(files!, 'bin', 'busybox'));
  for (const name of ['sh', 'wget', 'sleep']) symlinkSync('busybox', join(files!, 'bin', name));
  // Its runtime works with one kind of control groups only; here it is to use none.
  const script = 'mount -t tmpfs none /sys/fs/cgroup && mount --make-shared / && exec "$@"';
  const podman = [
    'podman',
    '--runtime=crun',
    '--cgroup-manager=cgroupfs',
    '--storage-driver=vfs',
    'run',
    '--rm',
  ];
  const container = ['--cgroups=disabled', '--rootfs', files!, '/bin/sh', '-c', ASKING];
  const environment = ['env', `HOME=${home}`, `XDG_RUNTIME_DIR=${run}`];
  return host.spawn('unshare', [
    ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', script, 'sh'],
    ...withRightsOf(user, ...environment, ...podman, ...container),
  ]);
}

test.runIf(IS_ALL)('a container of rootless podman reaches a native host', async () => {
  await using net = new Internet();
  const [host, user] = [net.site('a', 'port-restricted').client, makeUser(NOBODY)];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await net.native.spawn(process.execPath, ['-e', WEB]).waitFor(/listening/);
  const container = runContainer(host, user);
  const pid = await until('the container', () => {
    const inside = processesOf(user).filter(({ words }) => words[0] === '/bin/sh' && words[2] === ASKING);
    return inside.length === 1 ? inside[0]!.pid : undefined;
  });
  const attached = asUser(host, user, 'attach', '--server', SERVER_ADDRESS, String(pid));
  await container.waitFor(/asked by 2001:0:/);
  process.kill(pid, 'SIGKILL');
  await container.exited;
  expect(await attached.exited, attached.output).toBe(0);
});
