/**
 * A rule that an operator adds to the host's firewall for the tunnel's UDP port takes effect within 15 s, and so does its removal. This
 * holds though packets of verified peers are carried past the firewall: inward and outward, at client and relay, on either data path.
 */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { everyNth } from '../support/extent.ts';
import { peersOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';

const EFFECTIVE_MS = 15_000;
/** Twice the period of a ping. */
const SLACK_MS = 400;

interface Rule {
  readonly hook: 'input' | 'output';
  /** Default: filter. */
  readonly type?: 'route';
  readonly statement: string;
}

for (const path of everyNth(2, ['auto', 'user'])) {
  test.each<[string, 'client' | 'relay', Rule]>([
    [
      'datagrams from the relay to the client',
      'client',
      { hook: 'input', statement: `ip saddr ${RELAY_ADDRESS} drop` },
    ],
    [
      'datagrams from the client to the relay',
      'client',
      { hook: 'output', statement: `ip daddr ${RELAY_ADDRESS} drop` },
    ],
    ["datagrams to the relay's port", 'relay', { hook: 'input', statement: 'udp dport 3545 drop' }],
    ["datagrams from the relay's port", 'relay', { hook: 'output', statement: 'udp sport 3545 reject' }],
    [
      'marked datagrams of the relay, routed into a blackhole',
      'relay',
      { hook: 'output', type: 'route', statement: 'udp sport 3545 meta mark set 7' },
    ],
  ])(`--data-path ${path}: %s`, async (_what, where, { hook, type = 'filter', statement }) => {
    await using net = new Internet();
    const { client } = net.site('a', 'port-restricted');
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS, '--data-path', path);
    await startClient(client, SERVER_ADDRESS, '--data-path', path);
    const address = await teredoAddress(client);
    expect(await ping(net.native, address, 10_000)).toBeDefined();
    const flow = new Answers(client, NATIVE_ADDRESS);
    await until('answers', () => flow.count > 10 || undefined);
    if (path === 'auto') {
      const [at, role] = where === 'client' ? [client, 'client'] : [net.relay, 'relay'];
      await until('the kernel path', async () => {
        const { peers } = await peersOf(at, role);
        return peers.some(({ carried }) => carried === 'both') || undefined;
      });
    }
    const host = where === 'client' ? client : net.relay;
    host.ip('rule', 'add', 'fwmark', '7', 'blackhole');
    host.nft(`table inet operator {
      chain c {
        type ${type} hook ${hook} priority 0;
        meta l4proto udp ${statement}
      }
    }`);
    const [added, before] = [performance.now(), flow.count];
    await until('an end of the answers', () => flow.silentFor > 5_000 || undefined, EFFECTIVE_MS + 10_000);
    expect(flow.lastAt - added).toBeLessThan(EFFECTIVE_MS + SLACK_MS);
    expect(flow.count).toBeLessThan(before + EFFECTIVE_MS / 100);
    host.nft('delete table inet operator');
    const removed = performance.now();
    await until('answers again', () => flow.silentFor < 1_000 || undefined, EFFECTIVE_MS + 5_000);
    expect(performance.now() - removed).toBeLessThan(EFFECTIVE_MS);
  });
}

/** Pings every 0.2 s; notes the time of the last answer. */
class Answers {
  count = 0;
  lastAt = performance.now();
  private readonly running;

  constructor(from: Namespace, to: string) {
    this.running = from.spawn('ping', ['-n', '-i', '0.2', to]);
    const look = (): void => {
      const count = this.running.output.split(' time=').length - 1;
      if (count > this.count) this.lastAt = performance.now();
      this.count = count;
    };
    const timer = setInterval(look, 50);
    void this.running.exited.then(() => clearInterval(timer));
  }

  get silentFor(): number {
    return performance.now() - this.lastAt;
  }
}
