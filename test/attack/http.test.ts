/** Attacks of a local user without privileges on a daemon, by HTTP: through its control socket, and over TCP. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { nameOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';
import { askAsRoot, workOf } from './root-questions.ts';
import { HonestPing, memoryOf } from './attack-lab.ts';

const ATTACKER = 65534;
/** One asks by the control socket, one over TCP. */
const OTHER_USERS = [65533, 65532] as const;
const TCP = '127.0.0.1:9464';
/** Longer than 20 questions take. */
const SECONDS = 5;
const MODES = [
  'quick',
  'hold',
  'peers',
  'metrics',
  'status',
  'slow',
  'events',
  'letters',
  'head',
  'body',
  'pipeline',
  'half-open',
];

function askByHttp(host: Namespace, where: string, mode: string, uid: number): Running {
  const script = fileURLToPath(new URL('attacker/http.py', import.meta.url));
  return host.spawn('python3', [script, where, String(SECONDS), mode, String(uid)]);
}

const slowest = (times: readonly number[]): number => Math.round(Math.max(...times));

describe.skipIf(!IS_ALL)('a flood of one user', () => {
  test.each(['control socket', 'TCP'] as const)(
    'over %s: other users are answered within 1 s, the daemon uses little processor time and memory',
    async (way) => {
      await using net = new Internet();
      const site = net.site('a', 'port-restricted');
      await startServer(net.server, SERVER_ADDRESS);
      await startRelay(net.relay, RELAY_ADDRESS);
      const client = await startClient(site.client, SERVER_ADDRESS, '--listen', '9464');
      await teredoAddress(site.client);
      const path = controlPath(controlDirectory(), nameOf(site.client, 'client'));
      const attacked = way === 'TCP' ? TCP : path;
      // The modules for HTTP are loaded with the first request.
      await askByHttp(site.client, path, 'honest', OTHER_USERS[0]).exited;
      for (const mode of MODES) {
        const memory = memoryOf(client);
        const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
        const flood = askByHttp(site.client, attacked, mode, ATTACKER);
        await flood.waitFor(/ready/);
        const [work, begun] = [workOf(client), performance.now()];
        const others = [
          askByHttp(site.client, path, 'honest', OTHER_USERS[0]),
          askByHttp(site.client, TCP, 'honest', OTHER_USERS[1]),
        ];
        const roots = await askAsRoot(path);
        for (const other of others) await other.exited;
        const share = (workOf(client) - work) / (performance.now() - begun);
        await flood.waitFor(/done/, 30_000);
        const { answered, slowestMs } = await ping.stop();
        const times = others.map((other) => JSON.parse(other.output) as number[]);
        const grown = memoryOf(client) - memory;
        const [byControl, byTcp] = times as [number[], number[]];
        process.stdout.write(
          `${way}, ${mode}: slowest answer ${slowest(byControl)} ms by the control socket, ${slowest(byTcp)} ms over TCP; ` +
            `processor ${(100 * share).toFixed(1)} %; memory +${grown.toFixed(1)} MB\n`,
        );
        for (const one of times) {
          expect(one, mode).toHaveLength(20);
          expect(Math.min(...one), `${mode}: other user`).toBeGreaterThanOrEqual(0);
        }
        expect(slowest(byControl), `${mode}: other user`).toBeLessThan(1_000);
        expect(slowest(byTcp), `${mode}: other user, over TCP`).toBeLessThan(1_000);
        expect(slowest(roots), `${mode}: root`).toBeLessThan(1_000);
        expect(share, `${mode}: processor`).toBeLessThan(0.1);
        expect(answered, mode).toBeGreaterThan(0.95);
        expect(slowestMs, mode).toBeLessThan(1_000);
        expect(grown, `${mode}: memory`).toBeLessThan(30);
      }
    },
    400_000,
  );
});
