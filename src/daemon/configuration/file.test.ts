import { expect, test } from 'vitest';
import { CommandFailure } from '../exit-codes.ts';
import { parseConfiguration } from './file.ts';

/** The lines of the failure, without the name of the file. */
function faultsIn(...lines: string[]): string[] {
  try {
    parseConfiguration('FILE', lines.join('\n'));
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const all = error.details.length === 0 ? [error.message] : error.details;
    return all.map((line) => line.replace(/^FILE:/, ''));
  }
  throw new Error('no failure');
}

test('all errors are named at once, with line and column, in the order of the file', () => {
  const faults = faultsIn(
    'role = "relay"', //
    '[relay]',
    'addres = "203.0.113.1"',
    'port = "x"',
    'trust-cone = 1',
    'data-path = "kernal"',
    'allow = ["198.51.100.0/24", "198.51.100"]',
    '[relay.limits]',
    'peers.trusted = 0',
    'by-source.shared.per-secnd = 1',
    'errors = 3',
  );
  expect(faults).toEqual([
    '3:1: there is no key "addres" in [relay]: did you mean "address"?',
    '4:8: port: "x" is no whole number',
    '5:14: trust-cone: 1 is neither true nor false',
    '6:13: data-path: "kernal" is none of auto, kernel, user',
    '7:29: allow: "198.51.100" is neither an IPv4 prefix such as 203.0.113.0/24 nor an address',
    '9:17: limits.peers.trusted: 0 is not a whole number from 1 to 2147483648',
    '10:18: there is no key "per-secnd" in [relay.limits.by-source.shared]: did you mean "per-second"?',
    '11:10: limits.errors: 3 is no table of limits',
  ]);
});

test.for([
  [['port = 1', '[x'], /^2:\d+: this is no TOML: /],
  [['[client]'], /^1:1: role: is missing$/],
  [['role = "rely"'], /^1:8: role: "rely" is none of client, server, relay, host-relay$/],
  [['role = "relay"', 'port = 1'], /^2:1: there is no key "port": write it in the table \[relay\]$/],
  [['role = "relay"', '[[relay]]'], /^2:1: relay: is no table$/],
  [['role = "relay"', '[relay]', '[[relay.limits]]'], /^3:1: limits: .* is no table of limits$/],
  [['role = "relay"', '[[server]]'], /^2:3: there is no key "server"/],
  [['\uFEFFrole = "relay"', 'prot = 1'], /^2:1: there is no key "prot"/],
  [['\uFEFFrole = "rely"'], /^1:8: role: "rely"/],
  [['role = "relay"', 'relay.address = "1\\n2\\u001B[31m"'], /^2:17: address: "1\\n2\\x1B\[31m" is not/],
  [['role = "relay"', '"a\\nb\\u009B" = 1'], /^2:1: there is no key "a\\nb\\x9B"$/],
  [['role = "relay"', '[server]'], /^2:2: there is no key "server": the role of this file is "relay"$/],
  [
    ['role = "relay"', '[relay]', '[relay.limits]', 'peers.trusted = 9', 'port = 1'],
    /^5:1: there is no key "port" in \[relay\.limits\]: it belongs to the table \[relay\] and has to stand above \[relay\.limits\]$/,
  ],
  [
    ['role = "relay"', '[relay.limits.by-source.shared]', 'burst = 7', '[relay.limits.peers]', 'name = "x"'],
    /^5:1: .*: it belongs to the table \[relay\] and has to stand above \[relay\.limits\.by-source\.shared\]$/,
  ],
  [['role = "relay"', '[relay]', 'limits.port = 1'], /: it belongs to the table \[relay\]$/],
  [['role = "relay"', '[relay]', 'peers.trusted = 9'], /: it belongs to the table \[relay\.limits\]$/],
  [['role = "relay"', '[relay]', 'servers = ["a"]'], /^3:1: .*: it is an option of client$/],
  [['role = "relay"', '[relay]', 'colour = 1280'], /^3:1: there is no key "colour" in \[relay\]$/],
  [
    ['[relay]', 'role = "relay"'],
    /^2:1: role: it belongs to the table \[relay\] here: write it in the first/,
  ],
  [
    ['role = "relay"', '[relay]', 'role = "relay"'],
    /^3:1: .* in \[relay\]: write it in the first line of the file$/,
  ],
  [['role = "client"', 'client = 3'], /^2:10: client: is no table$/],
  [['role = "client"', 'client = { servers = ["a", 4] }'], /^2:22: servers: 4 is no text in quotes$/],
  [['role = "client"', 'client.refresh = true'], /^2:18: refresh: true is no number and no text$/],
] as const)('%j', ([lines, fault]) => expect(faultsIn(...lines).join('\n')).toMatch(fault));

test.for([
  [['role = "relay"', '[relay.__proto__]', 'z = 1'], '2:8'],
  [['role = "relay"', '__proto__ = 1'], '2:1'],
  [['role = "relay"', '[relay]', '"__proto__".z = 1'], '3:1'],
  [['role = "relay"', 'relay = { allow = [[{ __proto__ = { z = 1 } }]] }'], '2:23'],
  [['role = "relay"', '[[__proto__]]', 'z = 1'], '2:3'],
] as const)('a file changes no other object: %j', ([lines, place]) => {
  const found = faultsIn(...lines);
  const polluted = Object.keys(Object.prototype);
  for (const key of polluted) delete (Object.prototype as Record<string, unknown>)[key];
  expect([found, polluted]).toEqual([[`${place}: there is no key "__proto__"`], []]);
});

test('limits may be given in any form of TOML', () => {
  const forms = [
    ['[relay.limits.by-source.shared]', 'burst = 7', '[relay.limits.peers]', 'trusted = 9'],
    ['[relay.limits]', 'by-source.shared.burst = 7', 'peers = { trusted = 9 }'],
    ['relay.limits.by-source = { shared.burst = 7 }', 'relay.limits.peers.trusted = 9'],
  ];
  for (const lines of forms) {
    const { values } = parseConfiguration('FILE', ['role = "relay"', ...lines].join('\n'));
    expect(values['limits']).toEqual(
      new Map([
        ['by-source.shared.burst', 7],
        ['peers.trusted', 9],
      ]),
    );
  }
});

test('of very many errors the first 20 are shown', () => {
  const lines = Array.from({ length: 2_000 }, (_, i) => `key${i} = 1`);
  const parse = () => parseConfiguration('FILE', ['role = "relay"', '[relay]', ...lines].join('\n'));
  expect(parse).toThrow('FILE has 2000 errors, of which the first 20 are:');
  expect(faultsIn('role = "relay"', '[relay]', ...lines)).toHaveLength(20);
});
