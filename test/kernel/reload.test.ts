/** Daemons that take a changed configuration under load: pings each 10 ms in both directions, and a TCP connection. */
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  SERVER_SECONDARY,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { ConfiguredRole } from '../support/configured-roles.ts';
import { IS_ALL } from '../support/extent.ts';
import { teredoAddress } from '../support/roles.ts';

const BYTES = 50_000_000;

const SERVER = [`address = "${SERVER_ADDRESS}"`, `secondary = "${SERVER_SECONDARY}"`];
const RELAY = [`address = "${RELAY_ADDRESS}"`];
const CLIENT = [`servers = ["${SERVER_ADDRESS}"]`];

interface Roles {
  readonly server: ConfiguredRole;
  readonly relay: ConfiguredRole;
  readonly client: ConfiguredRole;
}

async function start(net: Internet, client: Namespace, path: string): Promise<Roles> {
  const roles = {
    server: await ConfiguredRole.start(net.server, 'server', SERVER, 'user'),
    relay: await ConfiguredRole.start(net.relay, 'relay', RELAY, path),
    client: await ConfiguredRole.start(client, 'client', CLIENT, path),
  };
  await teredoAddress(client);
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  return roles;
}

/** Both paths, and broken files for all roles, in the long form. */
test.for(IS_ALL ? ['user', 'kernel'] : ['kernel'])(
  '%s path: nothing is lost by reloads, nor by a broken file',
  async (path) => {
    await using net = new Internet();
    const { client } = net.site('a', 'port-restricted');
    const roles = await start(net, client, path);
    const own = await teredoAddress(client);
    const dataPath = `data-path = "${path}"`;
    const pings = [
      client.spawn('ping', ['-n', '-i', '0.01', NATIVE_ADDRESS]),
      net.native.spawn('ping', ['-n', '-i', '0.01', own]),
    ];
    for (const one of pings) await one.waitFor(/icmp_seq=20 /);
    const tcp = await transfer(client, net.native, NATIVE_ADDRESS, BYTES, 60_000, async () => {
      roles.relay.write([
        ...RELAY,
        dataPath,
        'log-level = "debug"',
        'deny = ["192.0.2.0/24"]',
        'limits.peers.trusted = 2000000',
        'limits.errors.burst = 30',
      ]);
      expect(await roles.relay.reload()).toEqual({ status: 0, output: expect.stringContaining('changed: ') });
      roles.client.write([
        `servers = ["${SERVER_ADDRESS}", "${SERVER_SECONDARY}"]`,
        dataPath,
        'limits.peers.trusted = 100000',
        'refresh = 45',
      ]);
      expect(await roles.client.reload()).toEqual({
        status: 6,
        output: expect.stringMatching(/changed: servers .*; needs a restart: refresh \(- -> 45\)$/),
      });
      roles.server.write([...SERVER, 'data-path = "user"', 'limits.answers.shared.burst = 30000']);
      expect(await roles.server.hangUp()).toContain('limits.answers.shared.burst (20000 -> 30000)');
      for (const role of IS_ALL ? Object.values(roles) : [roles.relay]) {
        role.write(['prot = 1']);
        const { status, output } = await role.reload();
        expect([status, output]).toEqual([
          2,
          expect.stringContaining(`${role.file}:3:1: there is no key "prot"`),
        ]);
      }
      expect(await roles.relay.hangUp()).toContain('the old configuration stays');
      expect(await roles.relay.reload(65_534)).toEqual({
        status: 4,
        output: `teredo: not permitted: reload ${roles.relay.name} as its user or as root`,
      });
    });
    expect(tcp.whole).toBe(true);
    for (const one of pings) {
      one.kill('SIGINT');
      await one.exited;
      const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(one.output)!;
      // The last one may be under way when ping ends.
      expect(Number(sent) - Number(received)).toBeLessThanOrEqual(1);
      expect(Number(sent)).toBeGreaterThan(100);
    }
    expect(await teredoAddress(client)).toBe(own);
  },
);

test.runIf(IS_ALL)(
  'a client that a reload denies is served no longer, on both paths, until a reload allows it',
  async () => {
    await using net = new Internet();
    const { client } = net.site('a', 'port-restricted');
    const { relay } = await start(net, client, 'kernel');
    relay.write([...RELAY, 'data-path = "kernel"', 'deny = ["198.51.100.0/24"]']);
    expect(await relay.reload()).toMatchObject({ status: 0 });
    expect(await ping(client, NATIVE_ADDRESS, 500)).toBe(undefined);
    relay.write([...RELAY, 'data-path = "kernel"']);
    expect(await relay.reload()).toMatchObject({ status: 0 });
    await until('an answer', () => ping(client, NATIVE_ADDRESS, 1_000), 10_000);
  },
);
