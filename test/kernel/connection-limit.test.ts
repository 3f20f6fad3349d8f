/** The kernel drops connections to a port of --listen at their first packet, where one user begins too many. */
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { ConnectionLimit } from '../../src/io/connection-limit.ts';
import { HostFirewall } from '../../src/io/kernel-path/host-firewall.ts';
import { ipv6FirewallHere } from '../../src/io/ipv6-firewall.ts';
import { TcpListener } from '../../src/io/stream-socket.ts';
import { execute } from '../../src/lab/index.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';

const USER = 65534;
const TRIES = 120;
/** Prints how many of its connections the kernel makes at once. */
const CONNECT = `
import os, select, socket, sys
uid, host, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
os.setuid(uid)
family = socket.AF_INET6 if ':' in host else socket.AF_INET
tried = [socket.socket(family) for _ in range(${TRIES})]
for one in tried:
    one.setblocking(False)
    one.connect_ex((host, port))
print(len(select.select([], tried, [], 0)[1]))
`;

beforeEach(() => {
  enterNewNetwork();
  execute('ip', ['link', 'set', 'lo', 'up']);
});

function connectAs(uid: number, host: string, port: number): number {
  return Number(execute('python3', ['-c', CONNECT, String(uid), host, String(port)]));
}

test.each([
  ['127.0.0.1', '127.0.0.1', Uint8Array.of(127, 0, 0, 1)],
  ['::1', '::1', Uint8Array.from({ length: 16 }, (_, i) => Number(i === 15))],
  ['0.0.0.0', '127.0.0.1', new Uint8Array(4)],
])('of each user but root some connections come, at %s', (_, host, address) => {
  const listeners = [new TcpListener(address, 0), new TcpListener(address, 0)] as const;
  onTestFinished(() => listeners.forEach((one) => one.close()));
  const [limited, other] = listeners.map(({ port }) => port) as [number, number];
  const limit = new ConnectionLimit(address, limited);
  expect(limit.begin()).toBeUndefined();
  const made = connectAs(USER, host, limited);
  expect(made).toBeGreaterThanOrEqual(40);
  expect(made).toBeLessThan(TRIES - 20);
  expect(connectAs(0, host, limited)).toBe(TRIES);
  expect(connectAs(USER, host, other)).toBe(TRIES);
  limit.end();
  expect(connectAs(USER, host, limited)).toBe(TRIES);
  expect(execute('nft', ['list', 'tables'])).toBe('');
});

test('its rules do not count as rules of the host, which would end the kernel path of a server', () => {
  const limits = [4, 16].map((octets) => new ConnectionLimit(new Uint8Array(octets), 9464));
  onTestFinished(() => limits.forEach((one) => one.end()));
  for (const limit of limits) expect(limit.begin()).toBeUndefined();
  expect(execute('nft', ['list', 'tables'])).toMatch(/teredo-listen-0{8}-9464[^]*teredo-listen-0{32}-9464/);
  expect(new HostFirewall().look(['lo'])).toEqual({});
  expect(ipv6FirewallHere()).toEqual({ chains: [] });
  execute('nft', [
    'add table ip mine; add chain ip mine out { type filter hook output priority 0; policy drop; }',
  ]);
  expect(new HostFirewall().look(['lo']).rule).toMatch(/mine/);
});
