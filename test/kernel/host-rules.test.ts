/** This host's rules, as the kernel reports them: nftables, iptables, IPsec. adr/0019 */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { HostFirewall } from '../../src/io/kernel-path/host-firewall.ts';
import { execute } from '../../src/lab/index.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';

enterNewNetwork();
execute('ip', ['link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'far']);

/** Written in one line; nft wants several. */
function nft(rules: string): void {
  const lines = rules.replaceAll(/(?<!= \{[^}]*)\}/g, '\n}\n');
  execute('nft', ['-f', '-'], `flush ruleset\n${lines}`);
}

const chain = (family: string, hook: string, rest = '', name = 'c') =>
  `table ${family} t { chain ${name} { type filter hook ${hook} priority 0; ${rest} } }`;
const firewall = new HostFirewall();
const look = () => firewall.look(['wan']);

describe('nftables', () => {
  test.each([
    ['nothing', ''],
    ['an empty table', 'table ip t {}'],
    ['chains that accept, without rules', chain('inet', 'input') + chain('ip', 'output', '', 'd')],
    ['a chain that is at no hook', 'table ip t { chain c { drop; } }'],
    ['forwarding', chain('inet', 'forward', 'policy drop; udp dport 3544 drop')],
    ['IPv6', chain('ip6', 'input', 'policy drop; drop') + chain('ip6', 'output', 'drop', 'd')],
    ['ARP', chain('arp', 'input', 'drop')],
    ['a bridge', chain('bridge', 'input', 'policy drop; drop')],
    ['the ingress of another interface', chain('netdev', 'ingress device "far"', 'drop')],
    [
      "the egress of this one: the program's packets pass it, too",
      chain('netdev', 'egress device "wan"', 'drop'),
    ],
    [
      'a table that is dormant',
      'table ip t { flags dormant; chain c { type filter hook input priority 0; drop; } }',
    ],
  ])('%s does not matter', (_what, rules) => {
    nft(rules);
    expect(look()).toEqual({});
  });

  test.each([
    ['input of ip', chain('ip', 'input', 'ip saddr 192.0.2.1 drop'), 'rules in chain c of table ip t'],
    ['output of inet', chain('inet', 'output', 'udp sport 3544 reject'), 'rules in chain c of table inet t'],
    [
      'raw',
      'table ip raw { chain pre { type filter hook prerouting priority -300; notrack; } }',
      'rules in chain pre',
    ],
    [
      'NAT',
      'table ip n { chain p { type nat hook postrouting priority 100; masquerade; } }',
      'rules in chain p',
    ],
    ['a policy', chain('inet', 'input', 'policy drop;'), 'a policy in chain c of table inet t'],
    [
      'the ingress of this interface',
      chain('netdev', 'ingress device "wan"', 'drop'),
      'rules in chain c of table netdev',
    ],
    [
      'of two',
      chain('netdev', 'ingress devices = { far, wan }', 'drop'),
      'rules in chain c of table netdev t',
    ],
    ['of inet', chain('inet', 'ingress device "wan"', 'drop'), 'rules in chain c of table inet t'],
    [
      'one chain among many that do not matter',
      Array.from(
        { length: 300 },
        (_, i) => `table ip t${i} { chain c { type filter hook forward priority 0; drop; } }`,
      )
        .join('\n')
        .concat('\n', chain('ip', 'input', 'accept', 'last')),
      'rules in chain last',
    ],
    [
      'a name with characters that are not in words',
      'table ip t { chain a/b { type filter hook input priority 0; drop; } }',
      'rules in chain a?b of table ip t',
    ],
  ])('%s does', (_what, rules, expected) => {
    nft(rules);
    expect(look().rule).toContain(`nftables has ${expected}`);
  });

  test('a rule that was added or removed is noticed at the next reading', () => {
    nft(chain('inet', 'input'));
    expect(look()).toEqual({});
    execute('nft', ['add', 'rule', 'inet', 't', 'c', 'udp', 'dport', '3544', 'drop']);
    expect(look().rule).toContain('chain c');
    execute('nft', ['flush', 'chain', 'inet', 't', 'c']);
    expect(look()).toEqual({});
    execute('nft', ['add', 'rule', 'inet', 't', 'c', 'drop']);
    execute('nft', ['delete', 'table', 'inet', 't']);
    expect(look()).toEqual({});
  });

  test('a ruleset that is too large counts as one that matters', () => {
    const chains = Array.from({ length: 10_001 }, (_, i) => `chain c${i} {}`).join('\n');
    nft(`table ip t { ${chains} }`);
    expect(look().rule).toContain('nftables has rules that cannot be read (E2BIG)');
    nft('');
    expect(look()).toEqual({});
  });
});

/** This kernel may have no legacy iptables, or its tools may be missing. */
const hasLegacy = spawnSync('iptables-legacy', ['-w', '-L', '-n']).status === 0;

describe.runIf(hasLegacy)('iptables', () => {
  const iptables = (...args: string[]) => execute('iptables-legacy', ['-w', ...args]);

  test.each([
    ['a rule for input', ['-A', 'INPUT', '-p', 'udp', '-j', 'DROP'], ['-F'], 'INPUT of table filter'],
    ['a policy for output', ['-P', 'OUTPUT', 'DROP'], ['-P', 'OUTPUT', 'ACCEPT'], 'OUTPUT of table filter'],
    [
      'NAT',
      ['-t', 'nat', '-A', 'POSTROUTING', '-j', 'ACCEPT'],
      ['-t', 'nat', '-F'],
      'POSTROUTING of table nat',
    ],
    ['raw', ['-t', 'raw', '-A', 'PREROUTING', '-j', 'DROP'], ['-t', 'raw', '-F'], 'PREROUTING of table raw'],
  ])('%s', (_what, add, remove, expected) => {
    expect(look()).toEqual({});
    iptables(...add);
    expect(look()).toEqual({ rule: `iptables has rules or a policy in chain ${expected}` });
    iptables(...remove);
    expect(look()).toEqual({});
  });

  test('forwarding does not matter, nor a chain to which no rule leads', () => {
    iptables('-P', 'FORWARD', 'DROP');
    iptables('-A', 'FORWARD', '-j', 'DROP');
    iptables('-N', 'OTHER');
    iptables('-A', 'OTHER', '-j', 'DROP');
    expect(look()).toEqual({});
  });
});

test('IPsec: a policy inward or outward', () => {
  const policy = (command: string, direction: string) =>
    execute('ip', [
      'xfrm',
      'policy',
      command,
      'src',
      '192.0.2.0/24',
      'dst',
      '198.51.100.1/32',
      'dir',
      direction,
    ]);
  for (const direction of ['in', 'out']) {
    expect(look()).toEqual({});
    policy('add', direction);
    expect(look()).toEqual({ rule: 'IPsec has policies' });
    policy('delete', direction);
  }
  policy('add', 'fwd');
  expect(look()).toEqual({});
});
