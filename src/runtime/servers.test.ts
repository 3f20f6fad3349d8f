import { expect, test, vi } from 'vitest';
import { v4 } from '../../test/support/client-rig.ts';
import { formatIpv4 } from '../wire/index.ts';
import { NamedServers, addressesOf, candidatesOf, inTurn, resolveServers } from './servers.ts';

/** The answer of a resolver that blocks some names, as Pi-hole does. */
const RESOLVED: Readonly<Record<string, readonly string[]>> = {
  'blocked.example': ['0.0.0.0'],
  'one-bad.example': ['255.255.255.255', '192.0.2.1', '0.0.0.0', '224.0.0.1', '192.0.2.9'],
  'last.example': ['223.255.255.255'],
};
const asked = vi.hoisted(() => [] as string[]);
vi.mock('node:dns/promises', () => ({
  lookup: (name: string) => {
    asked.push(name);
    if (name === 'mute.example') return new Promise(() => {});
    const found = RESOLVED[name];
    if (found === undefined) return Promise.reject(new Error(`ENOTFOUND ${name}`));
    return Promise.resolve(found.map((address) => ({ address, family: 4 })));
  },
}));

test('addresses that no host can have are left out of those of a name', async () => {
  expect((await addressesOf('one-bad.example')).map(formatIpv4)).toEqual(['192.0.2.1', '192.0.2.9']);
  const servers = await resolveServers(['one-bad.example'], 'none', () => {});
  expect(servers.map(({ primary }) => formatIpv4(primary))).toEqual(['192.0.2.1', '192.0.2.9']);
});

test('a name that a resolver blocks with 0.0.0.0 does not resolve to a usable address', async () => {
  const message = /^the server name "blocked\.example" does not resolve to a usable IPv4 address: check/;
  const failure = { code: 'no-address', message: expect.stringMatching(message) };
  await expect(resolveServers(['blocked.example'], undefined, () => {})).rejects.toMatchObject(failure);
  await expect(new NamedServers(['blocked.example'], undefined).resolve(() => {})).rejects.toMatchObject(
    failure,
  );
  const warnings: string[] = [];
  const servers = await resolveServers(['blocked.example', 'one-bad.example'], 'none', (line) =>
    warnings.push(line),
  );
  expect(servers.length).toBe(2);
  expect(warnings).toEqual(['"blocked.example" does not resolve to a usable IPv4 address: it is left out']);
});

test('a name whose lookup hangs is looked up once at a time, however often it is asked for', async () => {
  vi.useFakeTimers();
  for (let i = 0; i < 5; i++) {
    const found = addressesOf('mute.example');
    await vi.advanceTimersByTimeAsync(40_000);
    expect(await found).toEqual([]);
  }
  expect(asked.filter((name) => name === 'mute.example')).toHaveLength(1);
  vi.useRealTimers();
  await addressesOf('one-bad.example');
  const before = asked.length;
  await addressesOf('one-bad.example');
  expect(asked.length).toBe(before + 1);
});

test('where no host can have the next address of a server, it has no second address by default', async () => {
  const [server] = await resolveServers(['last.example'], undefined, () => {});
  expect(server).toMatchObject({ primary: v4('223.255.255.255'), secondary: undefined });
});

test('the first address of each name comes first: none with many keeps the next from being asked', () => {
  const many = Array.from({ length: 8 }, (_, i) => `a${i}`);
  expect(inTurn([many, ['b'], [], ['c0', 'c1']]).slice(0, 5)).toEqual(['a0', 'b', 'c0', 'a1', 'c1']);
  expect(inTurn([many, ['b']]).length).toBe(9);
  expect(inTurn([])).toEqual([]);
});

test('addresses are servers too; the second address is the next one, the one given, or none', async () => {
  const resolve = (hosts: string[], secondary: number | 'none' | undefined) =>
    resolveServers(hosts, secondary, () => {});
  const [primary, other] = [v4('192.0.2.1'), v4('192.0.2.9')];
  expect(await resolve(['192.0.2.1', '192.0.2.9'], undefined)).toEqual([
    { primary, secondary: v4('192.0.2.2'), name: '192.0.2.1' },
    { primary: other, secondary: v4('192.0.2.10'), name: '192.0.2.9' },
  ]);
  const none = await resolve(['192.0.2.1', '192.0.2.9'], 'none');
  expect(none.map(({ secondary }) => secondary)).toEqual([undefined, undefined]);
  for (const once of [['192.0.2.1'], ['192.0.2.1', '192.0.2.1']])
    expect(await resolve(once, other)).toEqual([{ primary, secondary: other, name: '192.0.2.1' }]);
  await expect(resolve(['192.0.2.9'], other)).rejects.toThrow(
    /^secondary: 192\.0\.2\.9 is the server's first address already/,
  );
});

test('a second address belongs to one server: with several named it is refused', async () => {
  const resolve = resolveServers(['192.0.2.1', '192.0.2.9'], v4('192.0.2.5'), () => {});
  await expect(resolve).rejects.toMatchObject({
    setting: 'secondary',
    message: expect.stringMatching(/^secondary is the second address of one server, and 2 are named/),
  });
});

test('a name that leads nowhere now leads to where it did', async () => {
  const known = new Map([['no-such-host.invalid', [v4('192.0.2.7')]]]);
  const servers = await resolveServers(['192.0.2.1', 'no-such-host.invalid'], 'none', () => {}, known);
  expect(servers.map(({ primary }) => primary)).toEqual([v4('192.0.2.1'), v4('192.0.2.7')]);
});

/** As the candidates "first/second" of one name, in order. */
function pairs(addresses: readonly string[], secondary?: string): string[] {
  const second = secondary === undefined || secondary === 'none' ? secondary : v4(secondary);
  return candidatesOf(addresses.map(v4), second).map(
    (one) => `${formatIpv4(one.primary)}/${one.secondary === undefined ? 'none' : formatIpv4(one.secondary)}`,
  );
}

test.for([
  ['both addresses of a server, in either order', ['192.0.2.121', '192.0.2.120'], undefined],
  ['both addresses of a server, in either order', ['192.0.2.120', '192.0.2.121'], undefined],
  ['both, the second given', ['192.0.2.121', '192.0.2.120'], '192.0.2.121'],
] as const)('a name with %s is one server', ([, addresses, secondary]) => {
  expect(pairs(addresses, secondary)).toEqual(['192.0.2.120/192.0.2.121']);
});

test('of a name with several servers each keeps its own second address', () => {
  expect(pairs(['192.0.2.122', '192.0.2.121', '192.0.2.123', '192.0.2.120'])).toEqual([
    '192.0.2.122/192.0.2.123',
    '192.0.2.120/192.0.2.121',
  ]);
  expect(pairs(['192.0.2.1', '192.0.2.2'], 'none')).toEqual(['192.0.2.1/none', '192.0.2.2/none']);
});

test('a second address given for a name with several servers is of the one it comes after, else of the first', () => {
  expect(pairs(['192.0.2.9', '192.0.2.1'], '192.0.2.2')).toEqual([
    '192.0.2.9/192.0.2.10',
    '192.0.2.1/192.0.2.2',
  ]);
  expect(pairs(['192.0.2.9', '192.0.2.1'], '192.0.2.77')).toEqual([
    '192.0.2.9/192.0.2.77',
    '192.0.2.1/192.0.2.2',
  ]);
  expect(pairs(['192.0.2.9', '192.0.2.8'], '192.0.2.7')).toContain('192.0.2.9/192.0.2.7');
});
