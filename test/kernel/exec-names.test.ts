/** `teredo exec`: names inside, when the resolvers of the host change. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, execute } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { makeUser, withRightsOf } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { withOpenTun } from '../support/open-tun.ts';
import { PROGRAM, startServer } from '../support/roles.ts';

const NAME_SERVER = fileURLToPath(new URL('../support/name-server.mjs', import.meta.url));
/** The resolvers of the host, before and after, and the addresses that they give all names. */
const [FIRST, SECOND] = ['127.0.0.1', '127.0.0.2'];
const [ANSWER, OTHER_ANSWER] = ['192.0.2.10', '192.0.2.20'];
const BEFORE = `# of a tool\nsearch before.test\noptions timeout:1 attempts:1\nnameserver ${FIRST}\n`;
const AFTER = `search after.test\noptions timeout:1 attempts:1\nnameserver ${SECOND}\n`;

/** `teredo exec` on a host whose /etc is the folder of this name, where the test may change files. */
function exec(host: Namespace, user: User, etc: string, script: string): Running {
  const command = ['exec', '--server', SERVER_ADDRESS, '--', 'sh', '-c', script];
  const words = withRightsOf(user, process.execPath, PROGRAM, ...command);
  const change = ['sh', '-c', 'mount --bind "$0" /etc && exec "$@"', etc];
  return host.spawn('unshare', withOpenTun(...change, ...words), { TEREDO_RUNTIME_DIR: user.folder });
}

const CHANGES: Readonly<Record<string, (file: string) => void>> = {
  'replaced by another file': (file) => {
    writeFileSync(`${file}.new`, AFTER);
    renameSync(`${file}.new`, file);
  },
  'replaced by a link': (file) => {
    mkdirSync(join(file, '../resolver'));
    writeFileSync(join(file, '../resolver/resolv.conf'), AFTER);
    rmSync(file);
    symlinkSync('resolver/resolv.conf', file);
  },
  'written anew': (file) => writeFileSync(file, AFTER),
};

test.for(IS_ALL ? Object.keys(CHANGES) : ['replaced by another file'])(
  '/etc/resolv.conf of the host is %s: names resolve',
  async (change) => {
    await using net = new Internet();
    const [host, user] = [net.site('a', 'port-restricted').client, makeUser()];
    await startServer(net.server, SERVER_ADDRESS);
    const etc = join(user.folder, 'etc');
    execute('cp', ['-a', '/etc/.', etc]);
    const file = join(etc, 'resolv.conf');
    rmSync(file);
    writeFileSync(file, BEFORE);
    const servers = [FIRST, SECOND].map((own, i) =>
      host.spawn(process.execPath, [NAME_SERVER, [ANSWER, OTHER_ANSWER][i]!, '2001:db8::1', own!]),
    );
    for (const server of servers) await server.waitFor(/listening/);
    const script =
      'getent ahostsv4 web.test; cat /etc/resolv.conf; echo asked; ' +
      `until getent ahostsv4 web.test | grep ${OTHER_ANSWER} && grep 'search after' /etc/resolv.conf; do sleep 0.1; done; cat /etc/resolv.conf; echo done`;
    const running = exec(host, user, etc, script);
    await running.waitFor(/asked/);
    expect(running.stdout).toContain(ANSWER);
    expect(running.stdout).toMatch(/search before\.test\noptions timeout:1 attempts:1\n/);
    CHANGES[change]!(file);
    await running.waitFor(/done/);
    expect(running.stdout).toMatch(/search after\.test\noptions timeout:1 attempts:1\n/);
    expect(running.stdout).toMatch(/^nameserver 127\.0\.0\.1\ndone$/m);
    expect(await running.exited, running.output).toBe(0);
  },
);
