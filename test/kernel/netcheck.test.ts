/** The report of `teredo netcheck` on each kind of NAT, as text and as JSON. */
import { setPriority } from 'node:os';
import { describe, expect, test } from 'vitest';
import { addressOrderHere } from '../../src/io/address-order.ts';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, NatBehaviour, NatExtras, Running } from '../../src/lab/index.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';
import { Gateway } from '../support/miniupnpd.ts';
import { PROGRAM, startServer } from '../support/roles.ts';
import { timeToEnd } from '../support/stopwatch.ts';

interface Report {
  readonly version: number;
  readonly works: boolean;
  readonly nat: string;
  readonly behaviour: Readonly<Record<string, unknown>>;
  readonly reach: readonly { readonly peer: string; readonly way: string; readonly atBest?: string }[];
  readonly advice: readonly { readonly code: string; readonly text: string }[];
  readonly addressOrder: unknown;
  readonly lifetime?: { readonly survivedSeconds: number; readonly goneAfterSeconds?: number };
}

/** The less it waits for a processor, the more its round trips are those of the network: slow ones leave less time for silences. */
const preferred = ({ pid }: Running): void => setPriority(pid, -15);

async function netcheck(
  host: Namespace,
  ...args: string[]
): Promise<{ readonly status: number; readonly stdout: string; readonly tookMs: number }> {
  const running = host.spawn(process.execPath, [PROGRAM, 'netcheck', '--server', SERVER_ADDRESS, ...args]);
  preferred(running);
  const tookMs = await timeToEnd(running.pid, running.exited);
  return { status: await running.exited, stdout: running.stdout, tookMs };
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
  expect(report.addressOrder).toEqual({ ...addressOrderHere(), file: '/etc/gai.conf' });
});

test.for(everyNth(2, ['port-restricted', 'address-restricted'] as const))(
  '%s: which of the two it is cannot be determined',
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

test.runIf(IS_ALL)('symmetric, counting ports', async () => {
  const report = await reported('symmetric-sequential');
  expect(report).toMatchObject({
    works: true,
    nat: 'symmetric',
    behaviour: { mapping: 'address-dependent-or-stricter', portAllocation: 'counting', portStep: 1 },
  });
  expect(ways(report)).toEqual(['rfc6081', 'rfc6081', 'rfc6081', 'guessing', 'none']);
});

test.for(everyNth(2, ['full-cone', 'port-restricted'] as const))('%s that hairpins', async (kind) => {
  // The lab's NATs do not filter packets from inside: nothing more can be learnt about filtering.
  const report = await reported(kind, { hairpin: true });
  expect(report.behaviour).toMatchObject({
    hairpinning: 'yes',
    filtering: kind === 'full-cone' ? 'endpoint-independent' : 'address-dependent-or-stricter',
  });
  expect(advice(report)).not.toContain('local-discovery');
});

test('as text: the kind of NAT, the reachable peers, the advice; exit status 0 behind a symmetric NAT, too', async () => {
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
});

describe("the gateway's protocols", () => {
  interface PortMapping {
    readonly opening: string;
    readonly gateway?: string;
    readonly protocols: readonly {
      readonly protocol: string;
      readonly found: boolean;
      readonly externalAddress?: string;
    }[];
  }
  const foundIn = ({ protocols }: PortMapping): string[] =>
    protocols.filter(({ found }) => found).map(({ protocol }) => protocol);
  const KINDS = [
    ['all three', {}, ['pcp', 'nat-pmp', 'upnp']],
    ['PCP and NAT-PMP', { upnp: false }, ['pcp', 'nat-pmp']],
    ['NAT-PMP alone', { upnp: false, withoutPcp: true }, ['nat-pmp']],
    ['UPnP alone', { natPmp: false }, ['upnp']],
  ] as const;

  test.for(everyNth(4, KINDS))(
    '%s: reported, with advice, and nothing is mapped',
    async ([, options, protocols]) => {
      await using net = new Internet();
      const site = net.site('a', 'symmetric-random', { undocumented: true });
      await using gateway = await Gateway.start(site, options);
      await startServer(net.server, SERVER_ADDRESS);
      const { status, stdout, tookMs } = await netcheck(site.client, '--json');
      expect(status).toBe(0);
      const report = JSON.parse(stdout) as Report & { readonly portMapping: PortMapping };
      const { portMapping } = report;
      expect(foundIn(portMapping)).toEqual(protocols);
      expect(portMapping).toMatchObject({ opening: 'works', gateway: `${site.network}.1` });
      for (const { protocol, externalAddress } of portMapping.protocols)
        if (foundIn(portMapping).includes(protocol) && protocol !== 'pcp')
          expect(externalAddress).toBe(site.address);
      expect(ways(report)).toEqual(['rfc6081', 'rfc6081', 'rfc6081', 'rfc6081', 'rfc6081']);
      expect(advice(report)).toEqual(['port-mapping']);
      expect(report.nat, 'as the NAT is by itself').toBe('symmetric');
      expect(gateway.hasMapped).toBe(false);
      expect(tookMs).toBeLessThan(5_000);
    },
  );

  test('none: behind a NAT, and without a gateway', async () => {
    await using net = new Internet();
    const site = net.site('a', 'symmetric-random');
    const host = net.lab.host('public');
    net.attach(host, 'wan', '198.51.100.77');
    await startServer(net.server, SERVER_ADDRESS);
    const behind = await netcheck(site.client);
    expect(behind.stdout).toMatch(/the gateway 10\.1\.0\.1 speaks none of PCP, NAT-PMP and UPnP IGD/);
    expect(behind.stdout).toMatch(/forward a UDP port .*, or enable UPnP/);
    expect(behind.tookMs).toBeLessThan(6_000);
    const open = await netcheck(host);
    expect(open.stdout).toMatch(/Port mapping: there is no gateway on the way/);
    expect(open.stdout).toMatch(/nothing needs to be done/);
  });

  test('a second NAT beyond the gateway', async () => {
    await using net = new Internet();
    const outer = net.site('a', 'port-restricted', { undocumented: true });
    const nat = net.lab.host('inner');
    const client = net.lab.host('deep');
    net.join(outer, nat, 9);
    net.lab.wire(nat, 'lan', ['10.99.0.1/24'], client, 'eth', ['10.99.0.2/24']);
    nat.ip('link', 'set', 'eth', 'name', 'wan');
    nat.ip('link', 'set', 'wan', 'up');
    nat.ip('route', 'replace', 'default', 'via', `${outer.network}.1`);
    client.ip('route', 'add', 'default', 'via', '10.99.0.1');
    nat.sysctl('net.ipv4.ip_forward', '1');
    nat.nft(`
      table ip nat {
        chain postrouting { type nat hook postrouting priority 90; policy accept; oifname "wan" masquerade; }
      }`);
    const address = `${outer.network}.9`;
    await using _gateway = await Gateway.start({ nat, address }, { address: undefined });
    await startServer(net.server, SERVER_ADDRESS);
    const { stdout } = await netcheck(client);
    expect(stdout).toMatch(/NAT-PMP +yes, but it names no address outside/); // miniupnpd with a private address
    expect(stdout).toMatch(/Servers see 198\.52\.100\.1: .* is behind a second NAT/);
    expect(stdout).toMatch(/have the outer NAT let it in too/);
  });

  test.runIf(IS_ALL)('a gateway that reports another address than servers see', async () => {
    await using net = new Internet();
    const site = net.site('a', 'symmetric-random', { undocumented: true });
    await using _gateway = await Gateway.start(site, { address: '198.52.100.99' });
    await startServer(net.server, SERVER_ADDRESS);
    const { stdout } = await netcheck(site.client, '--json');
    const report = JSON.parse(stdout) as Report & { readonly portMapping: PortMapping };
    expect(report.portMapping.opening).toBe('second-nat');
    expect(report.portMapping.protocols[1]).toMatchObject({ externalAddress: '198.52.100.99' });
    expect(ways(report)).toEqual(['rfc6081', 'rfc6081', 'guessing', 'none', 'none']);
    expect(advice(report)).toEqual(['second-nat']);
  });

  test('a gateway that does not answer delays nothing', async () => {
    await using net = new Internet();
    const site = net.site('a', 'symmetric-random');
    site.nat.nft(`
      table inet silent {
        chain input { type filter hook input priority 0; policy accept; iifname "lan" drop; }
      }`);
    await startServer(net.server, SERVER_ADDRESS);
    const { stdout, tookMs } = await netcheck(site.client);
    expect(stdout).toMatch(/speaks none of PCP, NAT-PMP and UPnP IGD/);
    expect(tookMs).toBeLessThan(6_000);
  });
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

test.runIf(IS_ALL)(
  'a server with one address: properties that cannot be determined are not reported',
  async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    await startServer(net.server, SERVER_ADDRESS, '--secondary', 'none');
    const { stdout } = await netcheck(site.client, '--secondary', 'none', '--json');
    const report = JSON.parse(stdout) as Report;
    expect(report).toMatchObject({ works: true, behaviour: { mapping: 'unknown', filtering: 'unknown' } });
    expect(advice(report)).toContain('other-server');
  },
);

test('--lifetime: how long a mapping that was in use survives silence, within the given time', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  // Linux keeps a mapping longer that has been used for 2 s.
  site.nat.sysctl('net.netfilter.nf_conntrack_udp_timeout', '3');
  site.nat.sysctl('net.netfilter.nf_conntrack_udp_timeout_stream', '8');
  preferred(await startServer(net.server, SERVER_ADDRESS));
  const { status, stdout, tookMs } = await netcheck(site.client, '--lifetime', '30', '--json');
  expect(status).toBe(0);
  expect((JSON.parse(stdout) as Report).lifetime).toMatchObject({ survivedSeconds: 6, goneAfterSeconds: 9 });
  expect(tookMs).toBeLessThan(35_000);
});
