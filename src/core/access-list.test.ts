import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIpv4, ipv4Mask, parseIpv4 } from '../wire/index.ts';
import type { Ipv4Prefix } from '../wire/index.ts';
import { access as list } from '../../test/support/access.ts';
import { AccessList, MAX_ACCESS_PREFIXES } from './access-list.ts';

const v4 = (text: string) => parseIpv4(text)!;

describe('the longest prefix decides', () => {
  test.each<[string[], string[], string[]]>([
    [[], ['0.0.0.0', '203.0.113.7', '255.255.255.255'], []],
    [['-203.0.113.7'], ['203.0.113.6', '203.0.113.8', '0.0.0.0', '255.255.255.255'], ['203.0.113.7']],
    [['-203.0.113.0/24'], ['203.0.112.255', '203.0.114.0'], ['203.0.113.0', '203.0.113.255']],
    [['+198.51.100.0/24'], ['198.51.100.0', '198.51.100.255'], ['198.51.99.255', '198.51.101.0', '0.0.0.0']],
    // An exception within a denied prefix changes the verdict for no other address.
    [
      ['-203.0.113.0/24', '+203.0.113.7'],
      ['203.0.113.7', '192.0.2.1'],
      ['203.0.113.6', '203.0.113.8'],
    ],
    // One allowed prefix that is not an exception: all other addresses are refused.
    [
      ['-203.0.113.0/24', '+203.0.113.7', '+198.51.100.0/24'],
      ['203.0.113.7', '198.51.100.1'],
      ['203.0.113.6', '192.0.2.1'],
    ],
    [
      ['+10.0.0.0/8', '-10.1.0.0/16', '+10.1.2.0/24'],
      ['10.0.0.1', '10.1.2.3', '10.2.0.0'],
      ['10.1.3.0', '9.9.9.9'],
    ],
    [['-0.0.0.0/0'], [], ['0.0.0.0', '192.0.2.1', '255.255.255.255']],
    [['+0.0.0.0/0'], ['0.0.0.0', '192.0.2.1', '255.255.255.255'], []],
    [['-0.0.0.0/0', '+255.255.255.255'], ['255.255.255.255'], ['255.255.255.254', '0.0.0.0']],
    [['-255.255.255.0/24'], ['255.255.254.255', '0.0.0.0'], ['255.255.255.0', '255.255.255.255']],
    [['-128.0.0.0/1'], ['127.255.255.255', '0.0.0.0'], ['128.0.0.0', '255.255.255.255']],
  ])('%j', (rules, allowed, denied) => {
    const access = list(...rules);
    const allows = (text: string) => access.allows(v4(text));
    expect(allowed.filter((text) => !allows(text))).toEqual([]);
    expect(denied.filter((text) => allows(text))).toEqual([]);
  });

  test('gives the verdicts of a naive implementation, at the edges of every prefix and at random addresses', () => {
    const bits = (address: number) => address.toString(2).padStart(32, '0');
    // Few different first octets, so that prefixes contain each other.
    const address = fc.oneof(
      fc.tuple(fc.constantFrom(0, 0x0a000000, 0xcb007100, 0xffffff00), fc.nat(255)).map(([a, b]) => a + b),
      fc.nat(0xffffffff),
    );
    const prefix = fc
      .tuple(address, fc.oneof(fc.nat(32), fc.integer({ min: 22, max: 32 })))
      .map(([start, length]) => ({ address: (start & ipv4Mask(length)) >>> 0, length }));
    const rules = fc.uniqueArray(fc.tuple(prefix, fc.boolean()), {
      selector: ([{ address: start, length }]) => `${start}/${length}`,
      maxLength: 40,
    });
    fc.assert(
      fc.property(rules, fc.array(address), (given, others) => {
        const of = (wanted: boolean) =>
          given.flatMap(([rule, allowed]) => (allowed === wanted ? [rule] : []));
        const access = new AccessList({ allow: of(true), deny: of(false) });
        const covers = (rule: Ipv4Prefix, one: number) =>
          bits(one).startsWith(bits(rule.address).slice(0, rule.length));
        const isUncovered = (rule: Ipv4Prefix) =>
          !of(false).some((deny) => deny.length < rule.length && covers(deny, rule.address));
        const byDefault = !of(true).some(isUncovered);
        const naive = (one: number): boolean => {
          for (let length = 32; length >= 0; length--)
            for (const [rule, allowed] of given)
              if (rule.length === length && covers(rule, one)) return allowed;
          return byDefault;
        };
        expect(access.allowsOthers).toBe(byDefault);
        const edges = given.flatMap(([{ address: start, length }]) => {
          const end = start + 2 ** (32 - length) - 1;
          return [start - 1, start, end, end + 1].map((one) => one >>> 0);
        });
        for (const one of [...edges, ...others, 0, 0xffffffff])
          expect([formatIpv4(one), access.allows(one)]).toEqual([formatIpv4(one), naive(one)]);
      }),
      { numRuns: 300 },
    );
  });
});

test('a prefix that is given twice counts once', () => {
  expect(list('-10.0.0.0/8', '-10.0.0.0/8', '+10.1.0.0/16').size).toBe(2);
});

test('a list that denies no address is open', () => {
  expect([
    list().isOpen,
    list('+0.0.0.0/0').isOpen,
    list('-0.0.0.0/0', '+0.0.0.0/1', '+128.0.0.0/1').isOpen,
  ]).toEqual([true, true, true]);
  expect([list('-192.0.2.1').isOpen, list('-0.0.0.0/0').isOpen]).toEqual([false, false]);
});

describe('invalid lists', () => {
  test.each<[string, () => AccessList, RegExp]>([
    ['both', () => list('+10.0.0.0/8', '-10.0.0.0/8'), /^10\.0\.0\.0\/8 is both allowed and denied$/],
    [
      'bits',
      () => new AccessList({ deny: [{ address: v4('10.0.0.1'), length: 8 }] }),
      /10\.0\.0\.1\/8 has bits set/,
    ],
    ['length', () => new AccessList({ allow: [{ address: 0, length: 33 }] }), /not an IPv4 prefix/],
    ['no length', () => new AccessList({ allow: [{ address: 0, length: NaN }] }), /not an IPv4 prefix/],
    ['address', () => new AccessList({ allow: [{ address: 2 ** 32, length: 0 }] }), /not an IPv4 prefix/],
    ['negative', () => new AccessList({ allow: [{ address: -1, length: 32 }] }), /not an IPv4 prefix/],
  ])('%s: refused with a clear message', (_what, make, message) => expect(make).toThrow(message));

  test('as many prefixes as the kernel table has room for, and no more', () => {
    const hosts = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ address: 2 * i, length: 32 }));
    const deny = hosts(MAX_ACCESS_PREFIXES);
    const access = new AccessList({ deny });
    expect(deny.every(({ address }) => !access.allows(address) && access.allows(address + 1))).toBe(true);
    const more = { allow: hosts(1).map(({ address }) => ({ address: address + 1, length: 32 })), deny };
    expect(() => new AccessList(more)).toThrow('1025 prefixes are more than 1024');
  });
});
