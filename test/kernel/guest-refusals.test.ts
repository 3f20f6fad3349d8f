/** What a system lacks for `teredo exec`: one line names the way out. */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Namespace } from '../../src/lab/index.ts';
import { makeUser, withRightsOf } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { withOpenTun, withTun } from '../support/open-tun.ts';
import { PROGRAM } from '../support/roles.ts';

const EXEC = [process.execPath, PROGRAM, 'exec', '--server', '192.0.2.1', '--', 'true'];
const FILTER = fileURLToPath(new URL('../support/refusing-unshare.py', import.meta.url));

let host: Namespace;
beforeAll(() => {
  host = Namespace.create(`teredo-refuse-${process.pid}`);
});
afterAll(() => host.remove());

/** The status and the line of `teredo exec`; `words` run it. */
async function refusal(user: User, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const running = host.spawn('unshare', words, { TEREDO_RUNTIME_DIR: user.folder, ...env });
  return `${await running.exited} ${running.output.trim()}`;
}

test('/dev/net/tun is closed to the user', async () => {
  const user = makeUser();
  expect(await refusal(user, withTun('600', ...withRightsOf(user, ...EXEC)))).toMatch(
    /^4 teredo: not permitted: \/dev\/net\/tun is closed to this user: "chmod 666 \/dev\/net\/tun".*--device.*$/,
  );
});

test('there is no /dev/net/tun', async () => {
  const user = makeUser();
  const hidden = ['--mount', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'];
  expect(await refusal(user, [...hidden, ...withRightsOf(user, ...EXEC)])).toMatch(
    /^1 teredo: \/dev\/net\/tun is missing: "modprobe tun".*--device.*$/,
  );
});

test('user namespaces are switched off', async () => {
  const user = makeUser();
  const script =
    'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps -all --inh-caps -all -- "$@"';
  const inside = ['unshare', '--user', '--map-current-user', '--keep-caps', 'sh', '-c', script, 'sh'];
  expect(await refusal(user, withOpenTun(...withRightsOf(user, ...inside, ...EXEC)))).toMatch(
    /^4 teredo: user namespaces are switched off: "sysctl -w user.max_user_namespaces=\d+"$/,
  );
});

test('the user has no number in its user namespace', async () => {
  const user = makeUser();
  expect(await refusal(user, withOpenTun(...withRightsOf(user, 'unshare', '--user', ...EXEC)))).toMatch(
    /^4 teredo: not permitted: the user namespace .* has no number for its user \(65534.*map-current-user.*$/,
  );
});

test('the seccomp filter of a container refuses user namespaces', async () => {
  const user = makeUser();
  expect(await refusal(user, withOpenTun('python3', FILTER, ...withRightsOf(user, ...EXEC)))).toMatch(
    /^4 teredo: user namespaces are refused .*: in a container the seccomp filter does that: .*seccomp=unconfined.*$/,
  );
});

test.for([['sh'], []])('of the programs that it needs there is only %j', async (present) => {
  const user = makeUser();
  for (const name of present) symlinkSync(`/bin/${name}`, join(user.folder, name));
  const bare = withRightsOf(user, '/usr/bin/env', `PATH=${user.folder}`, ...EXEC);
  expect(await refusal(user, withOpenTun(...bare))).toMatch(
    /^1 teredo: .*(setpriv|sh ENOENT).* needs sh, and unshare, nsenter and setpriv of util-linux$/,
  );
});
