import { expect, test } from 'vitest';
import { v4 } from '../../../test/support/client-rig.ts';
import type { ServerCheck } from './check-server.ts';
import type { NatBehaviour } from './nat-behaviour.ts';
import { reportInJson, reportInWords } from './report.ts';
import type { Findings } from './report.ts';

const CHECK: ServerCheck = {
  name: 'teredo.example.net',
  primary: '192.0.2.1',
  primaryNumber: v4('192.0.2.1'),
  qualified: true,
  nat: 'restricted',
  mapped: '198.51.100.1:4096',
  roundTripMs: 24.12,
  steps: [{ good: true, text: 'both addresses see the same mapping' }],
};
const RESTRICTED: NatBehaviour = {
  present: true,
  mapping: 'endpoint-independent',
  seenFrom: ['192.0.2.1', '192.0.2.2'],
  filtering: 'address-dependent-or-stricter',
  portPreservation: 'yes',
  portAllocation: 'preserving',
  hairpinning: 'yes',
  externalAddresses: ['198.51.100.1'],
};
const FINDINGS: Findings = { checks: [CHECK], behaviour: RESTRICTED };

const words = (findings: Findings): string => reportInWords(findings).join('\n');
const codes = (findings: Findings): string[] =>
  (reportInJson(findings) as { advice: { code: string }[] }).advice.map(({ code }) => code);

test('the JSON: these fields, whatever else may come', () => {
  expect(reportInJson(FINDINGS)).toEqual({
    version: 1,
    works: true,
    nat: 'restricted',
    mapped: '198.51.100.1:4096',
    servers: [CHECK],
    behaviour: RESTRICTED,
    reach: [
      { peer: 'full-cone', way: 'rfc4380' },
      { peer: 'address-restricted', way: 'rfc4380' },
      { peer: 'port-restricted', way: 'rfc4380' },
      { peer: 'counting-symmetric', way: 'rfc6081' },
      { peer: 'random-symmetric', way: 'guessing', atBest: 'rfc6081' },
    ],
    advice: [{ code: 'forward-a-port', text: expect.stringMatching(/forward a UDP port/) as string }],
  });
});

test('the advice to open a port names the peers that gain by it as the table does', () => {
  expect(words(FINDINGS)).toMatch(/^ {2}symmetric, random +yes, .* or else by guessing ports, if/m);
  expect(words(FINDINGS)).toMatch(
    /^ {2}- to reach peers behind NATs "symmetric, random" without guessing ports, forward a UDP port/m,
  );
});

test('a server that fails: no table of peers, the reason, and another server', () => {
  const failed: Findings = {
    checks: [{ ...CHECK, qualified: false, nat: 'unknown', reason: 'no-answer-secondary' }],
    behaviour: RESTRICTED,
  };
  const json = reportInJson(failed) as object;
  expect(json).toMatchObject({ works: false, reason: 'no-answer-secondary' });
  expect(json).not.toHaveProperty('reach');
  expect(codes(failed)).toEqual(['other-server']);
  expect(words(failed)).toMatch(
    /Teredo does not work here\.\n {2}- try another server: the fault is with this one, or on the way to it/,
  );
  expect(words(failed)).not.toMatch(/Peers/);
});

test("netsh's words come from measurements: the client itself looks for no cone", () => {
  const nat = (behaviour: Partial<NatBehaviour>, check: Partial<ServerCheck> = {}): unknown =>
    (
      reportInJson({ checks: [{ ...CHECK, ...check }], behaviour: { ...RESTRICTED, ...behaviour } }) as {
        nat: string;
      }
    ).nat;
  expect(nat({})).toBe('restricted');
  expect(nat({ filtering: 'endpoint-independent' })).toBe('cone');
  expect(nat({ filtering: 'unknown' })).toBe('restricted');
  expect(nat({ mapping: 'address-dependent-or-stricter' })).toBe('symmetric');
  expect(nat({ mapping: 'unknown' })).toBe('restricted');
  expect(nat({ present: false })).toBe('none');
  expect((reportInJson({ checks: [CHECK] }) as { nat: string }).nat).toBe('restricted');
});

test('the order of addresses: reported where Teredo comes before IPv4, with the lines that change it', () => {
  const order = (addressOrder: Findings['addressOrder']): Findings => ({ ...FINDINGS, addressOrder });
  expect(reportInJson(FINDINGS)).not.toHaveProperty('addressOrder');
  const good = order({ ipv4First: true, missingLines: [] });
  expect(words(good)).not.toMatch(/gai\.conf/);
  expect(reportInJson(good)).toMatchObject({ addressOrder: { ipv4First: true, missingLines: [] } });
  const bad = order({ ipv4First: false, missingLines: ['precedence 2001::/32 5'] });
  expect(words(bad)).toMatch(
    /Teredo address first .* With this line in \/etc\/gai\.conf .*:\n {2}precedence 2001::\/32 5\n\n/,
  );
  expect(reportInJson(bad)).toMatchObject({
    addressOrder: { ipv4First: false, missingLines: ['precedence 2001::/32 5'], file: '/etc/gai.conf' },
  });
  expect(codes(bad)).toEqual(codes(FINDINGS));
  expect(words(order({ ipv4First: false, missingLines: [] }))).toMatch(
    /A line in \/etc\/gai\.conf says so\./,
  );
});

test('port mapping: only where it was looked for', () => {
  expect(words(FINDINGS)).not.toMatch(/port mapping/i);
  expect(reportInJson(FINDINGS)).not.toHaveProperty('portMapping');
  const looked = { ...FINDINGS, gateway: { offers: undefined } };
  expect(words(looked)).toMatch(/^Port mapping: there is no gateway/m);
  expect(reportInJson(looked)).toMatchObject({ portMapping: { opening: 'none', protocols: [] } });
});

test('the lifetime, and a refresh interval where it is too short', () => {
  const found = { survivedSeconds: 20, goneAfterSeconds: 26.25, longestSeconds: 120, tookSeconds: 99.5 };
  const short = { ...FINDINGS, lifetime: { found } };
  expect(words(short)).toMatch(/lives 20 s, and is gone after 26\.3 s \(measured in 99\.5 s\)/);
  expect(words(short)).toMatch(/--refresh 20/);
  const none = { ...found, survivedSeconds: 0, goneAfterSeconds: 4 };
  expect(words({ ...FINDINGS, lifetime: { found: none } })).toMatch(/is gone after 4 s/);
  expect(words({ ...FINDINGS, lifetime: { found: none } })).toMatch(/too soon for any --refresh/);
  const hurried = { survivedSeconds: 0, longestSeconds: 8, tookSeconds: 4 };
  expect(words({ ...FINDINGS, lifetime: { found: hurried } })).toMatch(/lifetime +unknown: the time given/);
  const long = { survivedSeconds: 90, longestSeconds: 120, tookSeconds: 151 };
  expect(codes({ ...FINDINGS, lifetime: { found: long } })).not.toContain('refresh-more-often');
  expect(reportInJson({ ...FINDINGS, lifetime: { found: undefined } })).toMatchObject({ lifetime: null });
  expect(words({ ...FINDINGS, lifetime: { found: undefined } })).toMatch(/lifetime +unknown/);
});

test('unknown properties are reported as unknown', () => {
  const single: Findings = {
    checks: [CHECK],
    behaviour: { ...RESTRICTED, mapping: 'unknown', filtering: 'unknown', seenFrom: ['192.0.2.1'] },
  };
  expect(words(single)).toMatch(/mapping +unknown: only one server address answers/);
  expect(words(single)).toMatch(/filtering +unknown/);
  expect(words(single)).toMatch(/symmetric, random +yes, .* or else no$/m);
  expect(codes(single)).toContain('other-server');
});

test('no NAT: nothing to do, unless the host itself filters; several addresses are reported', () => {
  const open = { ...RESTRICTED, present: false, filtering: 'endpoint-independent' } as const;
  expect(codes({ checks: [CHECK], behaviour: open })).toEqual(['nothing-to-do']);
  const closed = { ...open, filtering: 'address-dependent-or-stricter' } as const;
  expect(codes({ checks: [CHECK], behaviour: closed })).toEqual(['host-firewall']);
  const pool = { ...RESTRICTED, externalAddresses: ['198.51.100.1', '198.51.100.2'] };
  expect(words({ checks: [CHECK], behaviour: pool })).toMatch(/addresses +several: 198\.51\.100\.1, 198/);
  expect(codes({ checks: [CHECK], behaviour: pool })).toContain('several-addresses');
});

test('rules of the host that may keep IPv6 from the tunnel are named; where they cannot be read it says so', () => {
  const withFirewall = (firewall: Findings['firewall']): Findings => ({ ...FINDINGS, firewall });
  const chain = 'chain input of table inet filter (policy drop)';
  const closed = withFirewall({ chains: [chain] });
  expect(reportInWords(closed)).toContain(`  - rules of this host may keep IPv6 from the tunnel: ${chain}`);
  expect(reportInJson(closed)).toMatchObject({ firewall: { chains: [chain] } });
  const hidden = withFirewall({ chains: [], unreadable: 'EPERM' });
  expect(reportInWords(hidden).join('\n')).toMatch(/could not be read \(EPERM\): ask as root/);
  expect(reportInJson(hidden)).toMatchObject({ firewall: { chains: [], unreadable: 'EPERM' } });
  expect(reportInWords(withFirewall({ chains: [] }))).toEqual(reportInWords(FINDINGS));
});
