/** Attacks of a local user without privileges on a daemon, through its control socket, which is open to all users. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { nameOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';
import { askAsRoot, workOf } from './root-questions.ts';
import { HonestPing, endedWith, memoryOf } from './attack-lab.ts';

const ATTACKER = 65534;
const OTHER_USER = 65533;
/** Longer than 20 questions take. */
const SECONDS = 5;
const MODES = ['quick', 'ask', 'hold', 'talk', 'letters'];

function control(host: Namespace, path: string, mode: string, uid: number): Running {
  const script = fileURLToPath(new URL('attacker/control.py', import.meta.url));
  return host.spawn('python3', [script, path, String(SECONDS), mode, String(uid)]);
}

test('a flood of connections to the control socket: other users are answered within 1 s, the daemon uses little processor time', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  const path = controlPath(controlDirectory(), nameOf(site.client, 'client'));
  const memory = memoryOf(client);
  for (const mode of IS_ALL ? MODES : ['quick', 'ask', 'letters']) {
    const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
    const flood = control(site.client, path, mode, ATTACKER);
    await flood.waitFor(/ready/);
    const work = workOf(client);
    const begun = performance.now();
    const other = control(site.client, path, 'status', OTHER_USER);
    const roots = await askAsRoot(path);
    await other.exited;
    const share = (workOf(client) - work) / (performance.now() - begun);
    await flood.waitFor(/done/, 20_000);
    const { answered, slowestMs } = await ping.stop();
    const others = JSON.parse(other.output) as number[];
    expect(others, mode).toHaveLength(20);
    expect(Math.min(...others), `${mode}: other user`).toBeGreaterThanOrEqual(0);
    expect(Math.max(...others), `${mode}: other user`).toBeLessThan(1_000);
    expect(Math.max(...roots), `${mode}: root`).toBeLessThan(1_000);
    expect(share, `${mode}: processor`).toBeLessThan(0.1);
    expect(answered, mode).toBeGreaterThan(0.95);
    expect(slowestMs, mode).toBeLessThan(1_000);
    expect(memoryOf(client) - memory, `${mode}: memory`).toBeLessThan(30);
  }
  expect((await endedWith(client, 'control-socket')).by).toBe(`the local user ${ATTACKER}`);
});
