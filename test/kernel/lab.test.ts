/** The lab has the properties that the other kernel tests, the demo and the bench rely on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  Capture,
  Internet,
  Lab,
  NATIVE_ADDRESS,
  SERVER_ADDRESS,
  SERVER_SECONDARY,
  block,
  execute,
  flushMappings,
  ping,
  transfer,
  unblock,
  until,
} from '../../src/lab/index.ts';
import type { NatBehaviour, Namespace } from '../../src/lab/index.ts';
import { formatIpv4 } from '../../src/wire/index.ts';
import { readCapture } from '../support/pcap.ts';
import { answerOn, ask } from '../support/udp-peer.ts';

/** Two addresses with two ports each, in ascending order. */
const ASKED = [SERVER_ADDRESS, SERVER_SECONDARY].flatMap((address) =>
  [1111, 2222].map((port) => `${address}:${port}`),
);
const OTHER_PORT = 1;
const OTHER_ADDRESS = 2;

interface Claim {
  readonly kind: NatBehaviour;
  /** Each mapping's port less that of the first, for four destinations of one socket. */
  readonly mapping: 'same' | 'counting up' | 'random';
  /** Whether the NAT lets in an answer from a port, or an address, other than the one asked. */
  readonly otherPort: boolean;
  readonly otherAddress: boolean;
}

const CLAIMS: readonly Claim[] = [
  { kind: 'full-cone', mapping: 'same', otherPort: true, otherAddress: true },
  { kind: 'address-restricted', mapping: 'same', otherPort: true, otherAddress: false },
  { kind: 'port-restricted', mapping: 'same', otherPort: false, otherAddress: false },
  { kind: 'symmetric-random', mapping: 'random', otherPort: false, otherAddress: false },
  { kind: 'symmetric-sequential', mapping: 'counting up', otherPort: false, otherAddress: false },
];

describe('a NAT', () => {
  test.for(CLAIMS)('$kind: mapping $mapping', async ({ kind, mapping, otherPort, otherAddress }) => {
    await using net = new Internet();
    const site = net.site('a', kind);
    await answerOn(net.server, ...ASKED);
    const results = await ask(
      site.client,
      [40_000, 40_001, 40_002],
      [
        ...ASKED.map((to) => ({ from: 0, to })),
        { from: 1, to: ASKED[0]!, also: OTHER_PORT },
        { from: 2, to: ASKED[0]!, also: OTHER_ADDRESS },
      ],
    );
    const seen = results.map((result) => result.seen.split(':'));
    expect(new Set(seen.map(([address]) => address))).toEqual(new Set([site.address]));
    expect(kindOfMapping(seen.slice(0, ASKED.length).map(([, port]) => Number(port)))).toBe(mapping);
    expect(results.slice(-2).map(({ other }) => other)).toEqual([otherPort, otherAddress]);
  });

  test('keeps its mapping after a packet that it did not let in', async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    await answerOn(net.server, ...ASKED);
    const [first, second] = await ask(
      site.client,
      [40_000],
      [
        { from: 0, to: ASKED[0]!, also: OTHER_ADDRESS },
        { from: 0, to: ASKED[OTHER_ADDRESS]! },
      ],
    );
    expect(first).toEqual({ seen: `${site.address}:40000`, other: false });
    expect(second).toEqual({ seen: `${site.address}:40000`, other: false });
  });

  test.for([true, false])('hairpin: %s', async (hairpin) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { hairpin });
    const neighbour = net.lab.host('neighbour');
    net.join(site, neighbour, 3);
    await answerOn(net.server, ...ASKED);
    const [first] = await ask(site.client, [40_000], [{ from: 0, to: ASKED[0]! }]);
    const asking = ask(
      neighbour,
      [40_001],
      [
        { from: 0, to: ASKED[0]! },
        { from: 0, to: first!.seen },
      ],
    );
    const refused = until(
      'the NAT answers that it has no such port',
      () => unreachables(neighbour) > 0 || undefined,
    );
    const outcome = Promise.race([asking.then((results) => results[1]!.seen), refused.then(() => 'refused')]);
    expect(await outcome).toBe(hairpin ? `${site.address}:40001` : 'refused');
  });

  test('forgets a silent client, and all clients when flushed', async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { udpTimeoutSeconds: 1 });
    const other = net.site('b', 'port-restricted');
    await answerOn(net.server, ...ASKED);
    await ask(site.client, [40_000], [{ from: 0, to: ASKED[0]! }]);
    await ask(other.client, [40_000], [{ from: 0, to: ASKED[0]! }]);
    await until('the mapping is gone', () => mappings(site.nat) === 0 || undefined);
    expect(mappings(other.nat)).toBe(1);
    flushMappings(other.nat);
    expect(mappings(other.nat)).toBe(0);
  });
});

test('native IPv6 joins native host, relay and server; the rest has IPv4 only', async () => {
  await using net = new Internet();
  const site = net.site('a', 'full-cone');
  expect(await ping(net.server, NATIVE_ADDRESS)).toBeDefined();
  expect(await ping(net.relay, NATIVE_ADDRESS)).toBeDefined();
  expect(await ping(site.client, SERVER_ADDRESS)).toBeDefined();
  expect(site.client.ip('-6', 'route', 'show', 'default')).toBe('');
  expect(await transfer(net.server, net.native, NATIVE_ADDRESS, 3_000_000)).toMatchObject({ whole: true });
});

test('blocked packets do not pass until they are unblocked', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  block(site.nat, 'icmp type echo-request');
  expect(await ping(site.client, SERVER_ADDRESS, 500)).toBeUndefined();
  unblock(site.nat);
  expect(await ping(site.client, SERVER_ADDRESS)).toBeDefined();
});

test('a capture has the packets on the link, on either side of a NAT', async () => {
  await using net = new Internet();
  const site = net.site('a', 'symmetric-sequential');
  await answerOn(net.server, ...ASKED);
  await using inside = await Capture.start(site.nat, 'lan', 'udp');
  await using outside = await Capture.start(site.nat, 'wan', 'udp');
  const [result] = await ask(site.client, [41_111], [{ from: 0, to: ASKED[0]! }]);
  expect(sources(await inside.stop())).toContain(`${site.network}.2:41111`);
  expect(sources(await outside.stop())).toContain(result!.seen);
});

test('two labs at a time do not interfere', async () => {
  await using one = new Lab();
  await using two = new Lab();
  expect(one.host('same').name).not.toBe(two.host('same').name);
});

describe('a command of a lab that fails', () => {
  test.for<[name: string, words: string[], fail: (host: Namespace, lab: Lab) => void]>([
    [
      'of ip',
      ['-second', 'link set other up', 'Cannot find device'],
      (host) => host.ipBatch('link set lo up', 'link set other up', 'link set lo down'),
    ],
    [
      'of a shell',
      ['-second', 'conf/all/rp_filter', 'I/O error'],
      (host) => host.sysctl('net.ipv4.conf.all.rp_filter', 'x'),
    ],
    ['of nft', ['-second', 'nft', 'table ip some { wrong'], (host) => host.nft('table ip some { wrong')],
    ['that makes a host', ['netns add', '-second', 'File exists'], (_, lab) => lab.host('second')],
  ])('%s: the error names it, and the lab can be removed', async ([, words, fail]) => {
    const lab = new Lab();
    const [, host] = lab.inOne(() => [lab.host('first'), lab.host('second')]);
    const error = errorOf(() =>
      lab.inOne(() => {
        fail(host!, lab);
        lab.host('never');
      }),
    );
    for (const word of words) expect(error).toContain(word);
    expect(error.split('\n').length).toBeLessThan(8); // not all commands of the lab
    await lab.remove();
    expect(execute('ip', ['netns', 'list'])).not.toContain(host!.name);
  });

  test('before it was made: the lab can be removed', async () => {
    const lab = new Lab();
    const build = (): void => {
      lab.host('never');
      throw new Error('of the test');
    };
    expect(() => lab.inOne(build)).toThrow('of the test');
    await lab.remove();
  });
});

test('a host gets as many rules at once as a file may have', async () => {
  await using lab = new Lab();
  const host = lab.host('one');
  const some = Array.from({ length: 12_000 }, (_, i) => `10.0.${i >> 8}.${i & 0xff}`);
  host.nft(`table ip many { set some { type ipv4_addr; elements = { ${some.join(',\n')} };\n}\n}`);
  expect(host.execute('nft', 'list', 'table', 'ip', 'many')).toContain('10.0.46.223');
});

test.for(['SIGINT', 'SIGKILL'] as const)('nothing remains of a process that ends by %s', async (signal) => {
  const lab = new URL('../../dist/lab/index.js', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', BUILDER, lab], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { name, pid } = JSON.parse(line.toString()) as { name: string; pid: number };
  expect(execute('ip', ['netns', 'pids', name])).toContain(String(pid));
  child.kill(signal);
  await until('the namespace is gone', () => !execute('ip', ['netns', 'list']).includes(name) || undefined);
  await until('the program has ended', () => hasEnded(pid) || undefined);
});

const BUILDER = `
  const { Lab } = await import(process.argv[1]);
  const host = new Lab().host('left');
  const sleeping = host.spawn('sh', ['-c', 'trap "" TERM; echo asleep; while :; do sleep 1; done']);
  await sleeping.waitFor(/asleep/);
  console.log(JSON.stringify({ name: host.name, pid: sleeping.pid }));`;

function errorOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
}

function kindOfMapping(ports: readonly number[]): string {
  const steps = ports.slice(1).map((port, i) => port - ports[i]!);
  if (steps.every((step) => step === 0)) return 'same';
  if (steps.every((step) => step === 1)) return 'counting up';
  return new Set(ports).size === ports.length ? 'random' : `strange: ${ports.join(', ')}`;
}

function hasEnded(pid: number): boolean {
  try {
    return /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

/** How many ICMP errors said that no program listens. */
function unreachables(host: Namespace): number {
  const [names, values] = host
    .execute('cat', '/proc/net/snmp')
    .match(/^Icmp: .*/gm)!
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf('InDestUnreachs')]);
}

/** Number of UDP flows in the NAT's table. */
function mappings(nat: Namespace): number {
  return nat.execute('conntrack', '-L', '-p', 'udp').split('\n').filter(Boolean).length;
}

function sources(capture: Uint8Array): string[] {
  return readCapture(capture).map(({ source, sourcePort }) => `${formatIpv4(source)}:${sourcePort}`);
}
