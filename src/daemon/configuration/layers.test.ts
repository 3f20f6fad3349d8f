import { expect, test } from 'vitest';
import type { CommandFailure } from '../exit-codes.ts';
import { fromEnvironment } from './environment.ts';
import { layered, missingIn, sourceOfLimit } from './layers.ts';
import type { Layer } from './layers.ts';
import { ROLES } from './roles.ts';

const { options } = ROLES.client;

const limits = (...entries: [string, number][]): ReadonlyMap<string, number> => new Map(entries);

const LAYERS: readonly Layer[] = [
  { source: 'file', values: { servers: ['a'], port: 1, refresh: 9_000, limits: limits(['x', 1], ['y', 1]) } },
  { source: 'environment', values: { servers: ['b'], port: 2, limits: limits(['y', 2]) } },
  { source: 'flag', values: { servers: ['c'] } },
];

test('a flag comes before the environment, that before the file, that before the default', () => {
  const effective = layered(options, LAYERS);
  expect(effective.get('servers')).toEqual({ value: ['c'], source: 'flag' });
  expect(effective.get('port')).toEqual({ value: 2, source: 'environment' });
  expect(effective.get('refresh')).toEqual({ value: 9_000, source: 'file' });
  expect(effective.get('interface')).toEqual({ value: 'teredo', source: 'default' });
  expect(effective.get('bind')).toEqual({ value: undefined, source: 'default' });
});

test('limits are put together by name', () => {
  expect(layered(options, LAYERS).get('limits')?.value).toEqual(limits(['x', 1], ['y', 2]));
  expect([sourceOfLimit('x', LAYERS), sourceOfLimit('y', LAYERS)]).toEqual(['file', 'environment']);
});

test('a required option may come from any layer', () => {
  expect(missingIn(options, layered(options, LAYERS.slice(1, 2)))).toEqual([]);
  expect(missingIn(options, layered(options, []))).toEqual(['servers']);
});

test('a misspelled variable is named, also beside good ones; one of another role is left out', () => {
  const faultsOf = (env: NodeJS.ProcessEnv): string[] => {
    try {
      fromEnvironment(options, env);
      return [];
    } catch (error) {
      return (error as CommandFailure).lines;
    }
  };
  expect(faultsOf({ TEREDO_SERVRE: 'x' })).toEqual([
    'environment: TEREDO_SERVRE is no option: did you mean "TEREDO_SERVER"?',
  ]);
  expect(faultsOf({ TEREDO_SERVER: 'x', TEREDO_PORT: 'x', TEREDO_PROT: '7' }).slice(1)).toEqual([
    'TEREDO_PROT is no option: did you mean "TEREDO_PORT"?',
    'TEREDO_PORT: "x" is not a UDP port from 1 to 65535',
  ]);
  expect(faultsOf({ TEREDO_INTERFACE: 'a\nb\u001b[31m' })).toEqual([
    expect.stringMatching(/^environment: TEREDO_INTERFACE: "a\\nb\\x1B\[31m" /),
  ]);
  expect(faultsOf({ TEREDO_TRUST_CONE: 'true', TEREDO_RUNTIME_DIR: '/x', TEREDO_TEST_ALL: '1' })).toEqual([]);
});

test('variables that Kubernetes and Docker make for a Service named after this program are left out', () => {
  const given = fromEnvironment(options, {
    TEREDO_SERVICE_HOST: '10.0.0.1',
    TEREDO_SERVICE_PORT: '3544',
    TEREDO_SERVICE_PORT_TEREDO: '3544',
    TEREDO_PORT: 'udp://10.0.0.1:3544',
    TEREDO_PORT_3544_UDP: 'udp://10.0.0.1:3544',
    TEREDO_PORT_3544_UDP_PROTO: 'udp',
    TEREDO_SERVER_SERVICE_HOST: '10.0.0.2',
    TEREDO_SERVER_PORT: 'udp://10.0.0.2:3544',
    TEREDO_SERVER_PORT_3544_UDP_ADDR: '10.0.0.2',
    TEREDO_ENV_HOME: '/root',
    TEREDO_NAME: '/web/teredo',
    TEREDO_INTERFACE: 'tun7',
  });
  expect(given).toEqual({ interface: 'tun7' });
});

test.for(['TEREDO_SERVICE_PORT', 'TEREDO_SERVER_SERVICE_PORT', 'TEREDO_SERVICE_PORT_UDP'])(
  'the variable %s is an error where no Service has set its host, too',
  (variable) => {
    expect(() =>
      fromEnvironment(options, { [variable]: '4000', TEREDO_RELAY_SERVICE_HOST: '10.0.0.1' }),
    ).toThrow(`${variable} is no option`);
  },
);

test('words in a variable are values of an option that may be given more than once', () => {
  const given = fromEnvironment(options, {
    TEREDO_SERVER: 'a.example b.example',
    TEREDO_LIMIT: 'random-ports=7, peers.trusted=5',
  });
  expect(given).toEqual({
    servers: ['a.example', 'b.example'],
    limits: limits(['random-ports', 7], ['peers.trusted', 5]),
  });
});
