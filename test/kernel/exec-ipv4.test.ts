/** `teredo exec` beside Debian's programs that give a private network IPv4. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { makeUser, processesOf, withRightsOf } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { withOpenTun } from '../support/open-tun.ts';
import { PROGRAM, startRelay, startServer } from '../support/roles.ts';

const NAME_SERVER = fileURLToPath(new URL('../support/name-server.mjs', import.meta.url));
const PORT = 8_000;
const WEB =
  `require('http').createServer((q, s) => s.end('over ' + q.socket.remoteAddress + '\\n'))` +
  `.listen(${PORT}, '::', () => console.log('listening'))`;
const OTHER = { slirp4netns: 'pasta', pasta: 'slirp4netns' } as const;

/** `teredo exec` on a host that has only one of the two programs, and a resolver at 127.0.0.1. */
function exec(host: Namespace, user: User, program: keyof typeof OTHER, ...words: string[]): Running {
  const resolver = join(user.folder, 'resolv.conf');
  writeFileSync(resolver, 'nameserver 127.0.0.1\n');
  const hide =
    'mount --bind /dev/null "$(command -v "$0")" && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  const started = withRightsOf(
    user,
    process.execPath,
    PROGRAM,
    'exec',
    '--server',
    SERVER_ADDRESS,
    '--',
    ...words,
  );
  return host.spawn('unshare', withOpenTun('sh', '-c', hide, OTHER[program], resolver, ...started), {
    TEREDO_RUNTIME_DIR: user.folder,
  });
}

test.runIf(IS_ALL).for(['slirp4netns', 'pasta'] as const)(
  '%s: curl over IPv4 and IPv6, by name, but not to 127.0.0.1 of the host; kill -9 leaves nothing',
  async (program) => {
    await using net = new Internet();
    const [host, user] = [net.site('a', 'port-restricted').client, makeUser()];
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    for (const one of [net.server, net.native, host])
      await one.spawn(process.execPath, ['-e', WEB]).waitFor(/listening/);
    await host.spawn(process.execPath, [NAME_SERVER, SERVER_ADDRESS, NATIVE_ADDRESS]).waitFor(/listening/);
    // Some such programs lead the address of the gateway to 127.0.0.1 of the host.
    const gateway = "$(ip -4 route show default | awk '{ print $3 }')";
    const script =
      `curl -4sS http://web.test:${PORT}/ && curl -6sS http://web.test:${PORT}/ && ` +
      `! curl -4sS -m 3 http://${gateway}:${PORT}/ && echo done && exec sleep 1000`;
    const running = exec(host, user, program, 'sh', '-c', script);
    await running.waitFor(/done/);
    expect(running.output).toContain(`IPv4 by ${program}`);
    expect(running.stdout).toMatch(/^over ::ffff:[\d.]+\nover 2001:0:\S+\ndone\n$/);
    const client = processesOf(user).find(({ words }) => words[2] === 'exec')!;
    process.kill(client.pid, 'SIGKILL');
    await running.exited;
    await until('the end of all processes', () => processesOf(user).length === 0 || undefined);
  },
);
