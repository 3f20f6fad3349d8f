/** What `teredo netcheck` says of each kind of NAT, in words and in JSON. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, NatBehaviour, NatExtras } from '../../src/lab/index.ts';
import { PROGRAM, startServer } from '../support/roles.ts';

interface Report {
  readonly version: number;
  readonly works: boolean;
  readonly nat: string;
  readonly behaviour: Readonly<Record<string, unknown>>;
  readonly reach: readonly { readonly peer: string; readonly way: string; readonly atBest?: string }[];
  readonly advice: readonly { readonly code: string; readonly text: string }[];
  readonly lifetime?: { readonly survivedSeconds: number; readonly goneAfterSeconds?: number };
}

async function netcheck(
  host: Namespace,
  ...args: string[]
): Promise<{ readonly status: number; readonly stdout: string; readonly tookMs: number }> {
  const startedAt = performance.now();
  const running = host.spawn(process.execPath, [PROGRAM, 'netcheck', '--server', SERVER_ADDRESS, ...args]);
  const status = await running.exited;
  return { status, stdout: running.stdout, tookMs: performance.now() - startedAt };
}

async function reported(behaviour: NatBehaviour, extras: NatExtras = {}, ...args: string[]): Promise<Report> {
  await using net = new Internet();
  const site = net.site('a', behaviour, extras);
  await startServer(net.server, SERVER_ADDRESS);
  const { status, stdout } = await netcheck(site.client, '--json', ...args);
  expect(status).toBe(0);
  return JSON.parse(stdout) as Report;
}

const ways = ({ reach }: Report): string[] =>
  reach.map(({ way, atBest }) => (atBest === undefined ? way : `${atBest}-${way}`));
const advice = ({ advice }: Report): string[] => advice.map(({ code }) => code);

test('full cone', async () => {
  const report = await reported('full-cone');
  expect(report).toMatchObject({
    version: 1,
    works: true,
    nat: 'cone',
    behaviour: {
      present: true,
      mapping: 'endpoint-independent',
      seenFrom: ['203.0.113.120', '203.0.113.121'],
      filtering: 'endpoint-independent',
      portPreservation: 'yes',
      portAllocation: 'preserving',
      hairpinning: 'no',
      externalAddresses: ['198.51.100.1'],
    },
  });
  expect(ways(report)).toEqual(['rfc4380', 'rfc4380', 'rfc4380', 'rfc6081', 'rfc6081']);
  expect(advice(report)).toEqual(['local-discovery']);
});

test.for(['address-restricted', 'port-restricted'] as const)(
  '%s: which of the two it is, nobody can tell',
  async (kind) => {
    const report = await reported(kind);
    expect(report).toMatchObject({
      works: true,
      nat: 'restricted',
      behaviour: {
        mapping: 'endpoint-independent',
        filtering: 'address-dependent-or-stricter',
        portAllocation: 'preserving',
        hairpinning: 'no',
      },
    });
    expect(ways(report)).toEqual(['rfc4380', 'rfc4380', 'rfc4380', 'rfc6081', 'rfc6081-guessing']);
    expect(advice(report)).toEqual(['forward-a-port', 'local-discovery']);
  },
);

test('symmetric, random ports', async () => {
  const report = await reported('symmetric-random');
  expect(report).toMatchObject({
    works: true,
    nat: 'symmetric',
    behaviour: {
      mapping: 'address-dependent-or-stricter',
      filtering: 'address-dependent-or-stricter',
      portPreservation: 'no',
      portAllocation: 'random',
      hairpinning: 'unknown',
    },
  });
  expect(ways(report)).toEqual(['rfc6081', 'rfc6081', 'guessing', 'none', 'none']);
  expect(advice(report)).toEqual(['forward-a-port']);
});

test('symmetric, counting ports', async () => {
  const report = await reported('symmetric-sequential');
  expect(report).toMatchObject({
    works: true,
    nat: 'symmetric',
    behaviour: { mapping: 'address-dependent-or-stricter', portAllocation: 'counting', portStep: 1 },
  });
  expect(ways(report)).toEqual(['rfc6081', 'rfc6081', 'rfc6081', 'guessing', 'none']);
});

test.for(['full-cone', 'port-restricted'] as const)('%s that hairpins', async (kind) => {
  // The lab's NATs do not filter what comes from inside: nothing more about filtering is to be had.
  const report = await reported(kind, { hairpin: true });
  expect(report.behaviour).toMatchObject({
    hairpinning: 'yes',
    filtering: kind === 'full-cone' ? 'endpoint-independent' : 'address-dependent-or-stricter',
  });
  expect(advice(report)).not.toContain('local-discovery');
});

test('in words: what it is, whom one reaches, what to do; exit status 0 behind a symmetric NAT too', async () => {
  await using net = new Internet();
  const site = net.site('a', 'symmetric-sequential');
  await startServer(net.server, SERVER_ADDRESS);
  const { status, stdout, tookMs } = await netcheck(site.client);
  expect(status, stdout).toBe(0);
  expect(tookMs).toBeLessThan(10_000);
  expect(stdout).toMatch(/the two addresses see different mappings/);
  expect(stdout).toMatch(/mapping +address-dependent, or address-and-port-dependent/);
  expect(stdout).toMatch(/filtering +address-dependent or stricter/);
  expect(stdout).toMatch(/ports +not preserved; new ones are counting up by 1/);
  expect(stdout).toMatch(/symmetric, counting +by guessing ports, if they run this program/);
  expect(stdout).toMatch(/symmetric, random +no$/m);
  expect(stdout).toMatch(/Teredo works here, within the limits above: NAT symmetric/);
  expect(stdout).toMatch(/forward a UDP port of the router to this host and give it with --port/);
  expect(stdout).not.toMatch(/port mapping/i);
});

test('no NAT', async () => {
  await using net = new Internet();
  const host = net.lab.host('public');
  net.attach(host, 'wan', '198.51.100.77');
  await startServer(net.server, SERVER_ADDRESS);
  const { status, stdout } = await netcheck(host);
  expect(status, stdout).toBe(0);
  expect(stdout).toMatch(/No NAT/);
  expect(stdout).toMatch(/NAT none/);
  expect(stdout).toMatch(/nothing needs to be done/);
});

test('a forwarded port has one mapping for all, behind a symmetric NAT too', async () => {
  await using net = new Internet();
  const site = net.site('a', 'symmetric-random');
  site.nat.nft(`
    table ip forwarding {
      chain out {
        type nat hook postrouting priority 90;
        oifname "wan" udp sport 4096 snat to ${site.address}:4096
      }
    }`);
  await startServer(net.server, SERVER_ADDRESS);
  const { stdout } = await netcheck(site.client, '--port', '4096', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    works: true,
    nat: 'restricted',
    mapped: `${site.address}:4096`,
    behaviour: { mapping: 'endpoint-independent', portAllocation: 'random' },
  });
});

test('a server with one address: what cannot be told is not told', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS, '--secondary', 'none');
  const { stdout } = await netcheck(site.client, '--secondary', 'none', '--json');
  const report = JSON.parse(stdout) as Report;
  expect(report).toMatchObject({ works: true, behaviour: { mapping: 'unknown', filtering: 'unknown' } });
  expect(advice(report)).toContain('other-server');
});

test('--lifetime: how long a silent mapping lives that is in use, within the time given', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  // Linux keeps a mapping longer that has been used for 2 s.
  site.nat.sysctl('net.netfilter.nf_conntrack_udp_timeout', '3');
  site.nat.sysctl('net.netfilter.nf_conntrack_udp_timeout_stream', '8');
  await startServer(net.server, SERVER_ADDRESS);
  const { status, stdout, tookMs } = await netcheck(site.client, '--lifetime', '30', '--json');
  expect(status).toBe(0);
  expect((JSON.parse(stdout) as Report).lifetime).toMatchObject({ survivedSeconds: 6, goneAfterSeconds: 9 });
  expect(tookMs).toBeLessThan(35_000);
});
