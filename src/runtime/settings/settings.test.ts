import { expect, onTestFinished, test } from 'vitest';
import { seededEntropy, v4 } from '../../../test/support/client-rig.ts';
import { CLIENT_LIMITS } from '../../core/client/index.ts';
import { RELAY_LIMITS } from '../../core/relay/index.ts';
import { SERVER_LIMITS } from '../../core/server/index.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import { parsePrefix } from '../../wire/index.ts';
import { Client } from '../client.ts';
import type { ClientSettings } from '../client-settings.ts';
import { Relay } from '../relay.ts';
import type { RelaySettings } from '../relay.ts';
import { Server } from '../server.ts';
import type { ServerSettings } from '../server.ts';

const HERE = v4('192.0.2.10');
const [PRIMARY, SECONDARY] = [v4('203.0.113.120'), v4('203.0.113.121')];

function ports(): MemoryPorts {
  return new MemoryPorts(new MemoryIpv4Network(), [HERE], seededEntropy(1));
}

const client = (settings: Partial<ClientSettings>) =>
  new Client({ servers: [{ primary: PRIMARY, secondary: SECONDARY }], ...settings }, ports());
const relay = (settings: Partial<RelaySettings>) =>
  new Relay({ address: HERE, port: 3_545, interface: 'teredo', ...settings }, ports());
const small = {
  ...SERVER_LIMITS,
  native: { ...SERVER_LIMITS.native, shared: { perSecond: 1, burst: 7 } },
};
const server = (settings: Partial<ServerSettings>) => new Server({ address: HERE, ...settings }, ports());

const wrong = (value: unknown): never => value as never;
const candidate = (primary: number, secondary?: number) => [{ primary, secondary }];

test.for([
  ['servers', () => client({ servers: [] }), /^servers: at least one/],
  ['servers[0].primary', () => client({ servers: candidate(-5) }), /-5 is not an IPv4 address/],
  ['servers[0].primary', () => client({ servers: candidate(0) }), /0\.0\.0\.0 stands for any/],
  ['servers[0].primary', () => client({ servers: candidate(v4('224.0.0.1')) }), /of a single host/],
  ['servers[0].primary', () => client({ servers: candidate(1.5) }), /1\.5 is not an IPv4 address/],
  ['servers[0].primary', () => client({ servers: candidate(2 ** 32) }), /is not an IPv4 address/],
  ['servers[0].secondary', () => client({ servers: candidate(PRIMARY, PRIMARY) }), /first address already/],
  ['servers[0].secondary', () => client({ servers: candidate(PRIMARY, NaN) }), /NaN is not an IPv4/],
  ['servers[1]', () => client({ servers: ['a', '192.0.2.1:3544'] }), /has a port in it/],
  ['servers[0]', () => client({ servers: ['http://x'] }), /is a URL/],
  ['servers[0]', () => client({ servers: [''] }), /no name/],
  ['servers[0]', () => client({ servers: ['2001:db8::1'] }), /is an IPv6 address/],
  ['servers[0]', () => client({ servers: ['1.2.3'] }), /is not an IPv4 address/],
  ['secondary', () => client({ servers: ['a'], secondary: 0 }), /stands for any/],
  ['servers[0]', () => client({ servers: wrong([null]) }), /is neither a name nor a candidate/],
  ['servers[1]', () => client({ servers: wrong(['a', 7]) }), /is neither a name nor a candidate/],
  [
    'servers[0].secondary',
    () => client({ servers: wrong([{ primary: PRIMARY, secondary: null }]) }),
    /null is/,
  ],
  ['secondary', () => client({ secondary: SECONDARY }), /belongs to a server that is given by its name/],
  ['secondary', () => client({ servers: ['a', 'b'], secondary: SECONDARY }), /2 are named \(a, b\)/],
  [
    'secondary',
    () => client({ servers: ['203.0.113.121'], secondary: SECONDARY }),
    /203\.0\.113\.121 is the server's first address already/,
  ],
  ['secondary', () => client({ servers: ['a'], secondary: wrong('b') }), /b is not an IPv4 address/],
  ['secret', () => client({ secret: wrong(null) }), /null is no object/],
  ['secret.clientId', () => client({ secret: wrong({}) }), /is no Uint8Array/],
  ['meet', () => client({ meet: wrong(null) }), /null is no object/],
  ['limits', () => client({ limits: wrong(null) }), /null is no object/],
  ['port', () => client({ port: 70_000 }), /^port: 70000 is not a UDP port from 1 to 65535/],
  ['port', () => client({ port: -1 }), /is not a UDP port/],
  ['port', () => client({ port: 4_096.5 }), /is not a UDP port/],
  ['port', () => client({ port: wrong('4096') }), /is not a UDP port/],
  ['bind', () => client({ bind: v4('239.0.0.1') }), /of a single host/],
  ['interface', () => client({ interface: 'far-too-long-a-name' }), /is not a name for an interface/],
  ['interface', () => client({ interface: '' }), /is not a name for an interface/],
  ['defaultRoute', () => client({ defaultRoute: wrong('yes') }), /"yes" is none of auto, always, never/],
  ['inbound', () => client({ inbound: wrong('drop') }), /"drop" is none of accept, refuse/],
  ['portMapping', () => client({ portMapping: wrong('on') }), /is none of auto, off/],
  ['localDiscovery', () => client({ localDiscovery: wrong('no') }), /"no" is neither true nor false/],
  ['localSameNat', () => client({ localSameNat: wrong(0) }), /^localSameNat: 0 is neither/],
  ['onlyWithoutIpv6', () => client({ onlyWithoutIpv6: wrong(null) }), /null is neither/],
  ['requireSecondary', () => client({ requireSecondary: wrong('') }), /"" is neither/],
  ['inbound', () => client({ inbound: wrong({}) }), /\{\} is none of/],
  ['dataPath', () => client({ dataPath: wrong('fast') }), /is none of auto, kernel, user/],
  ['refresh', () => client({ refresh: 4_999 }), /seconds from 5 to 3600/],
  ['refresh', () => client({ refresh: NaN }), /seconds from 5 to 3600/],
  [
    'secret.clientId',
    () => client({ secret: { clientId: new Uint8Array(256), secret: new Uint8Array(1) } }),
    /256 bytes/,
  ],
  [
    'secret.secret',
    () => client({ secret: { clientId: new Uint8Array(1), secret: new Uint8Array(0) } }),
    /is empty/,
  ],
  ['meet', () => client({ meet: { address: HERE, port: 0 } }), /is not a UDP port/],
  ['meet', () => client({ meet: { address: 0, port: 3_545 } }), /stands for any/],
  [
    'limits.peers.trusted',
    () => client({ limits: { peers: { trusted: -1, unverified: 1 } } }),
    /-1 is not a whole number from 1/,
  ],
  [
    'limits.peers.trusted',
    () => client({ limits: { peers: { trusted: Infinity, unverified: 1 } } }),
    /is not a whole number/,
  ],
  ['limits.nonsense', () => client({ limits: wrong({ nonsense: 3 }) }), /there is no such limit/],
  [
    'limits.guesses.burst',
    () => client({ limits: wrong({ guesses: { perSecond: 1 } }) }),
    /undefined is not/,
  ],
  [
    'limits.guesses.perSecond',
    () => client({ limits: { guesses: { ...CLIENT_LIMITS.guesses, perSecond: NaN } } }),
    /is not a number from 0/,
  ],
  ['address', () => relay({ address: v4('255.255.255.255') }), /of a single host/],
  ['port', () => relay({ port: 65_536 }), /is not a UDP port/],
  ['interface', () => relay({ interface: 'a/b' }), /is not a name for an interface/],
  ['serve[0]', () => relay({ serve: [parsePrefix('2001:0:1::/48')!] }), /is of Teredo clients/],
  [
    'serve[1]',
    () => {
      const whole = parsePrefix('2001:db8::/32')!;
      return relay({ serve: [whole, { ...whole, length: 8 }] });
    },
    /has bits set behind its length: want 2000::\/8/,
  ],
  [
    'limits.bySource.shared.burst',
    () => {
      const { bySource } = RELAY_LIMITS;
      const shared = { ...bySource.shared, burst: -2 };
      return relay({ limits: { ...RELAY_LIMITS, bySource: { ...bySource, shared } } });
    },
    /-2 is not a whole number from 0/,
  ],
  ['limits.peers', () => relay({ limits: wrong({}) }), /no group of limits/],
  ['access', () => relay({ access: wrong({ allow: [] }) }), /is not an AccessList/],
  ['address', () => server({ address: 0 }), /stands for any/],
  ['workers', () => server({ workers: 9 }), /9 is not a number of workers from 1 to 8/],
  ['workers', () => server({ workers: 0 }), /0 is not a number of workers/],
  ['keys', () => server({ workers: 2, keys: () => undefined }), /a function cannot be given to several/],
  [
    'limits.native.shared.burst',
    () => server({ workers: 2, limits: small }),
    /7 is too small to be divided: with 2 workers at least 20, or 0/,
  ],
  ['secondary', () => server({ secondary: HERE }), /first address already/],
  ['announce', () => server({ announce: 0 }), /stands for any/],
  ['announceSecondary', () => server({ announceSecondary: SECONDARY }), /needs "secondary", too/],
  ['announceSecondary', () => server({ announce: PRIMARY, secondary: SECONDARY }), /is needed/],
  [
    'announceSecondary',
    () => server({ announce: PRIMARY, secondary: HERE + 1, announceSecondary: PRIMARY }),
    /first address already/,
  ],
  ['announce', () => relay({ announce: v4('239.0.0.1') }), /of a single host/],
  ['dataPath', () => server({ dataPath: wrong('') }), /is none of auto/],
  [
    'limits.native.member.perSecond',
    () => {
      const { native } = SERVER_LIMITS;
      const member = { ...native.member, perSecond: -1 };
      return server({ limits: { ...SERVER_LIMITS, native: { ...native, member } } });
    },
    /-1 is not a number from 0/,
  ],
] as const)(
  'a setting that cannot be throws before anything is opened, and is named: %s',
  ([setting, make, why]) => {
    const error = thrownBy(make);
    expect(error).toMatchObject({ name: 'SettingsError', code: 'bad-setting', setting });
    expect((error as Error).message).toMatch(why);
  },
);

function thrownBy(make: () => unknown): unknown {
  try {
    make();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('the defaults, and values that leave a choice to the system, are valid', () => {
  client({ port: 0, bind: 0, limits: CLIENT_LIMITS, refresh: 'auto' });
  client({ limits: {}, refresh: 5_000, secondary: 'none' });
  client({ servers: ['a', 'a', ...candidate(PRIMARY)], secondary: SECONDARY });
  relay({ address: 0, port: 0, limits: RELAY_LIMITS });
  server({ limits: SERVER_LIMITS });
});

test.for([
  ['servers', client],
  ['interface', client],
  ['bind', client],
  ['port', client],
  ['defaultRoute', client],
  ['inbound', client],
  ['refresh', client],
  ['portMapping', client],
  ['dataPath', client],
  ['address', relay],
  ['port', relay],
  ['interface', relay],
  ['serve', relay],
  ['limits', relay],
  ['access', relay],
  ['address', server],
  ['secondary', server],
  ['announce', server],
  ['limits', server],
] as const)('a setting that is null is named, too: %s', ([setting, make]) => {
  const error = thrownBy(() => make(wrong({ [setting]: null })));
  expect(error).toMatchObject({ name: 'SettingsError', setting });
});

test('servers that a running client gets are checked too', () => {
  const one = client({});
  expect(() => one.setServers([])).toThrow(/at least one/);
  expect(() => one.setServers(candidate(-5))).toThrow(/servers\[0\]\.primary/);
});

test('a server is given by its name: it is resolved when the client starts', async () => {
  const [wire, clock] = [new MemoryIpv4Network(), new MemoryClock()];
  const host = (seed: number, ...addresses: [number, ...number[]]): MemoryPorts =>
    new MemoryPorts(wire, addresses, seededEntropy(seed), clock);
  const there = new Server({ address: PRIMARY, secondary: SECONDARY }, host(1, PRIMARY, SECONDARY));
  await there.start();
  onTestFinished(() => there.close());
  const one = new Client({ servers: ['203.0.113.120'], localDiscovery: false }, host(2, HERE));
  await one.start();
  onTestFinished(() => one.close());
  for (let i = 0; i < 300 && one.state !== 'qualified'; i++) {
    clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect([one.state, one.status().server]).toEqual([
    'qualified',
    { primary: PRIMARY, secondary: SECONDARY, name: '203.0.113.120' },
  ]);
});

test('a name is looked up by the system', async () => {
  const one = new Client({ servers: ['localhost'], secondary: 'none', localDiscovery: false }, ports());
  onTestFinished(() => one.close());
  await one.start();
  expect(one.status().serverResults).toMatchObject([{ name: 'localhost', primary: v4('127.0.0.1') }]);
});

test('a name that leads nowhere: the start rejects, with the name and a code', async () => {
  const one = new Client({ servers: ['no-such-host.invalid'] }, ports());
  await expect(one.start()).rejects.toMatchObject({
    code: 'no-address',
    message: expect.stringMatching(/"no-such-host\.invalid" does not resolve/),
  });
});
