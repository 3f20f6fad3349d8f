/**
 * Each system call of each role fails once, with the errors of short descriptors, buffers, memory or permissions: during the start, during
 * traffic, while the network changes, and at the end. The process survives, and later does the work that it could not do; a start that
 * fails leaves nothing behind.
 */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ERRORS, record, refuse } from '../support/refusing-system.ts';
import { makeRefusable } from '../support/refusable-calls.ts';
import { eventually } from '../support/eventually.ts';
import { everyNth } from '../support/extent.ts';
import { ip } from '../support/iproute.ts';
import { EnvironmentError } from '../../src/io/errors.ts';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { PortFactory } from '../../src/io/port-factory.ts';
import { systemFailures } from '../../src/io/system-failures.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { Client } from '../../src/runtime/client.ts';
import { Relay, ALL_NATIVE } from '../../src/runtime/relay.ts';
import { Server } from '../../src/runtime/server.ts';
import { buildBubble, buildRouterSolicitation, formatIpv4, parseIpv4 } from '../../src/wire/index.ts';
import type { Endpoint } from '../../src/wire/index.ts';
import { data, teredo, v6 } from '../support/client-rig.ts';

vi.mock('node:fs', async (original) => {
  const { refusable } = await import('../support/refusing-system.ts');
  return refusable(await original(), ['readFileSync', 'readlinkSync', 'readdirSync', 'writeFileSync']);
});
vi.mock('node:os', async (original) => {
  const { refusable } = await import('../support/refusing-system.ts');
  return refusable(await original(), ['networkInterfaces']);
});

const PROGRAM = fileURLToPath(new URL('../../bin/teredo', import.meta.url));
const SERVER = parseIpv4('203.0.113.120')!;
const HERE = parseIpv4('198.51.100.2')!;
/** An address of this host from which a peer's datagrams come. */
const PEER = SERVER + 1;
const LINK_LOCAL = v6('fe80::1');
const TUNNEL = 'tdrefused';

/** Ten times as fast, so that retries come soon. */
const SPEED = 10;
const { clock } = kernelPorts();
const ports: PortFactory = {
  ...kernelPorts(),
  clock: {
    now: () => clock.now() * SPEED,
    setTimer: (at, fn) => clock.setTimer(at / SPEED, fn),
  },
};

interface Running {
  start(): Promise<void>;
  close(): Promise<void>;
  /** Throws unless all functions work; `anyPath`: on either data path. */
  check(anyPath?: boolean): void;
  /** The address and port of its socket. */
  place(): Endpoint;
  /** The number of datagrams, packets of the host, and its own answers that have come through so far. */
  traffic(): readonly (number | undefined)[];
}

type Path = 'user' | 'auto';

const ROLES: Readonly<Record<string, (path: Path) => Running>> = {
  client: (dataPath) => {
    const client = new Client(
      { servers: [{ primary: SERVER, secondary: SERVER + 1 }], interface: TUNNEL, bind: HERE, dataPath },
      ports,
    );
    return Object.assign(running(client), {
      place: () => ({ address: HERE, port: client.port }),
      traffic: () => [client.counters['receivedDatagrams'], client.counters['acceptedPackets']],
      check: (anyPath = false) => {
        expect(client.state).toBe('qualified');
        expect(ports.tunnelHost.tunnelState(TUNNEL)?.addresses.length).toBe(2);
        if (!anyPath) expect(client.dataPath.kind).toBe(dataPath === 'user' ? 'user' : 'kernel');
      },
    });
  },
  relay: (dataPath) => {
    const relay = new Relay(
      { address: HERE, port: 3545, interface: TUNNEL, serve: ALL_NATIVE, dataPath },
      ports,
    );
    return Object.assign(running(relay), {
      place: () => ({ address: HERE, port: relay.port }),
      traffic: () => [relay.counters['receivedDatagrams'], relay.counters['receivedPackets']],
      check: (anyPath = false) => {
        expect(ports.tunnelHost.tunnelState(TUNNEL)?.addresses.length).toBe(1);
        if (!anyPath) expect(relay.dataPath.kind).toBe(dataPath === 'user' ? 'user' : 'kernel');
      },
    });
  },
  'host-relay': (dataPath) => {
    const relay = new Relay({ address: 0, port: 3546, interface: TUNNEL, dataPath }, ports);
    return Object.assign(running(relay), {
      place: () => ({ address: HERE, port: relay.port }),
      traffic: () => [relay.counters['receivedDatagrams'], relay.counters['receivedPackets']],
      check: (anyPath = false) => {
        expect(ports.tunnelHost.tunnelState(TUNNEL)?.addresses.length).toBe(1);
        if (!anyPath) expect(relay.dataPath.kind).toBe(dataPath === 'user' ? 'user' : 'kernel');
      },
    });
  },
  server: (dataPath) => {
    const server = new Server({ address: HERE, secondary: HERE + 1, dataPath }, ports);
    return Object.assign(running(server), {
      place: () => ({ address: HERE, port: 3544 }),
      traffic: () => [server.counters['receivedDatagrams'], server.counters['solicitationsAnswered']],
      check: (anyPath = false) => {
        if (!anyPath) expect(server.dataPath.kind).toBe(dataPath === 'user' ? 'user' : 'kernel');
      },
    });
  },
};

function running(role: {
  start(): Promise<void>;
  close(): Promise<void>;
}): Omit<Running, 'check' | 'place' | 'traffic'> {
  return { start: () => role.start(), close: () => role.close() };
}

const uncaught: unknown[] = [];
const note = (error: unknown): void => void uncaught.push(error);

beforeAll(async () => {
  enterNewNetwork();
  makeRefusable();
  await ip('link', 'set', 'lo', 'up');
  // The source of this host's packets to Teredo clients.
  await ip('addr', 'add', '2001:db8:9::1/128', 'dev', 'lo');
  for (const [name, ...addresses] of [
    ['td0', '203.0.113.120/24', '203.0.113.121/24'],
    ['td1', '198.51.100.2/24', '198.51.100.3/24'],
  ] as const) {
    await ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`);
    for (const end of [name, `${name}p`]) await ip('link', 'set', end, 'up');
    for (const address of addresses) await ip('addr', 'add', address, 'dev', name);
  }
  const child = spawn(
    process.execPath,
    [
      PROGRAM,
      'server',
      '--address',
      '203.0.113.120',
      '--data-path',
      'user',
      '--name',
      `refusals-${process.pid}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  await eventually(() => expect(said).toMatch(/is running/));
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
  return async () => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
});

let changes = 0;
/** Addresses and links change, and change back. */
async function changeNetwork(): Promise<void> {
  const address = `192.0.2.${(changes++ % 200) + 1}/32`;
  await ip('addr', 'add', address, 'dev', 'td1');
  await ip('addr', 'del', address, 'dev', 'td1');
}

/** One round every 10 ms: from a peer to the role's socket, and by the tunnel from this host to Teredo clients and to native hosts. */
function sendTraffic({ address, port }: Endpoint): () => Promise<void> {
  const peer = createSocket('udp4');
  const host = createSocket('udp6');
  const to = formatIpv4(address);
  let round = 0;
  const send = (): void => {
    round++;
    const client = teredo({ address: SERVER, port: 3544 }, { address: PEER, port: 40_000 });
    const datagrams = [
      buildRouterSolicitation(LINK_LOCAL),
      buildBubble(client, v6('2001:0:cb00:7178::1'), 64),
      data(client, v6('2001:db8:9::1')),
      new Uint8Array(20),
    ];
    peer.send(datagrams[round % datagrams.length]!, port, to);
    host.send('x', 9, `2001:0:cb00:7178:0:63bf:39cc:${(round % 60_000).toString(16)}`, () => {});
    host.send('x', 9, `2001:db8:8::${(round % 60_000).toString(16)}`, () => {});
  };
  for (const socket of [peer, host]) socket.on('error', () => {});
  let timer: ReturnType<typeof setInterval> | undefined;
  peer.bind(0, formatIpv4(PEER), () => (timer = setInterval(send, 10)));
  let ended: Promise<void> | undefined;
  return () =>
    (ended ??= new Promise((resolve) => {
      clearInterval(timer);
      host.close();
      peer.close(resolve);
    }));
}

const settled = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const openFiles = (): number => readdirSync('/proc/self/fd').length;
const errors = Object.entries(ERRORS);

describe.for(
  Object.keys(ROLES).flatMap((role) => (['user', 'auto'] as const).map((path) => [role, path] as const)),
)('%s, data path %s', ([name, path]) => {
  const make = () => ROLES[name]!(path);

  test('the start', { timeout: 600_000 }, async () => {
    const recording = record();
    const first = make();
    await first.start();
    await eventually(() => first.check());
    const sites = recording.end();
    await first.close();
    expect(sites.length).toBeGreaterThan(10);
    const before = openFiles();
    for (const [i, site] of everyNth(40, sites).entries()) {
      const [code, error] = errors[i % errors.length]!;
      const what = `${code} at ${site}`;
      const end = refuse(site, error);
      try {
        const role = make();
        try {
          await role.start();
          // Without permissions, or an interface, there is no kernel path; after a shortage it comes.
          const anyPath = code === 'EPERM' || code === 'ENODEV';
          await eventually(() => expect(() => role.check(anyPath), what).not.toThrow());
        } finally {
          end();
          await role.close();
        }
      } catch (thrown) {
        expect(thrown, what).toBeInstanceOf(EnvironmentError);
      } finally {
        end();
      }
      expect(uncaught, what).toEqual([]);
      expect(ports.tunnelHost.tunnelState(TUNNEL), what).toBeUndefined();
      await eventually(() => expect(openFiles(), what).toBeLessThanOrEqual(before));
    }
  });

  test('traffic', { timeout: 600_000 }, async () => {
    const role = make();
    onTestFinished(() => role.close());
    await role.start();
    await eventually(() => role.check());
    const end = sendTraffic(role.place());
    onTestFinished(end);
    const flows = async (what: string): Promise<void> => {
      const before = role.traffic();
      await eventually(() => {
        for (const [i, count] of role.traffic().entries()) expect(count, what).toBeGreaterThan(before[i]!);
      });
    };
    await flows('at first');
    const recording = record();
    await settled(500);
    const sites = recording.end();
    expect(sites.length).toBeGreaterThan(1);
    for (const [i, site] of everyNth(6, sites).entries()) {
      const [code, error] = errors[i % errors.length]!;
      const what = `${code} at ${site}`;
      const stop = refuse(site, error, 3);
      await settled(200);
      stop();
      await flows(what);
      await eventually(() =>
        expect(() => role.check(code === 'EPERM' || code === 'ENODEV'), what).not.toThrow(),
      );
      expect(uncaught, what).toEqual([]);
    }
    await end();
    await role.close();
  });

  test('a change of the network', { timeout: 600_000 }, async () => {
    const role = make();
    onTestFinished(() => role.close());
    await role.start();
    await eventually(() => role.check());
    await settled(300);
    const recording = record();
    await changeNetwork();
    await settled(700);
    const sites = recording.end();
    expect(sites.length).toBeGreaterThan(1);
    for (const [i, site] of everyNth(32, sites).entries()) {
      const [code, error] = errors[i % errors.length]!;
      const what = `${code} at ${site}`;
      const end = refuse(site, error);
      await changeNetwork();
      await settled(400);
      end();
      await eventually(() => expect(() => role.check(), what).not.toThrow());
      expect(uncaught, what).toEqual([]);
    }
    await role.close();
  });

  test('the end', { timeout: 600_000 }, async () => {
    const first = make();
    await first.start();
    const recording = record();
    await first.close();
    for (const [i, site] of everyNth(9, recording.end()).entries()) {
      const [code, error] = errors[i % errors.length]!;
      const role = make();
      await role.start();
      const end = refuse(site, error, 100);
      await role.close().catch((thrown: unknown) => expect.fail(`${code} at ${site}: ${String(thrown)}`));
      end();
      expect(uncaught, site).toEqual([]);
      expect(ports.tunnelHost.tunnelState(TUNNEL), site).toBeUndefined();
    }
  });
});

test('descriptors that run out while the network changes: each failure is counted', async () => {
  const role = ROLES['client']!('user');
  await role.start();
  await eventually(() => role.check());
  const before = systemFailures()['EMFILE'] ?? 0;
  const recording = record();
  await changeNetwork();
  await settled(300);
  const site = recording.end().find((one) => one.startsWith('networkInterfaces'))!;
  const end = refuse(site, ERRORS.EMFILE, 3);
  await changeNetwork();
  await eventually(() => expect(systemFailures()['EMFILE']).toBe(before + 3));
  expect(end()).toBe(3);
  await eventually(() => role.check());
  await role.close();
});
