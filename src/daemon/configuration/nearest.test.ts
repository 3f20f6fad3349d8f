import { expect, test } from 'vitest';
import { orNearest } from './nearest.ts';

const KEYS = ['port', 'address', 'deny', 'name', 'serve', 'log-level', 'trust-cone'];

test.for([
  ['prot', 'port'],
  ['prt', 'port'],
  ['adress', 'address'],
  ['log_level', 'log-level'],
  ['trustCone', 'trust-cone'],
  ['serves', 'serve'],
] as const)('%s is near to %s', ([name, meant]) =>
  expect(orNearest(name, KEYS)).toBe(`: did you mean "${meant}"?`),
);

test('a common prefix does not make names similar', () => {
  expect(orNearest('TEREDO_MTU', ['TEREDO_PORT', 'TEREDO_NAME'], 'TEREDO_')).toBe('');
  expect(orNearest('TEREDO_PROT', ['TEREDO_PORT'], 'TEREDO_')).toBe(': did you mean "TEREDO_PORT"?');
});

test.for(['mtu', 'ipv6', 'x', 'do', 'nam3s', 'key', 'listen', 'peers', ''])('%s is near to none', (name) =>
  expect(orNearest(name, KEYS)).toBe(''),
);
