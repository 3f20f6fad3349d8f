import { describe, expect, test } from 'vitest';
import { parseIpv4 } from '../wire/index.ts';
import { AddressPolicy, inSubnets, isPrivate } from './address-policy.ts';

const v4 = (text: string) => parseIpv4(text)!;
const subnet = (text: string) => {
  const [address, length] = text.split('/');
  return { address: v4(address), prefixLength: Number(length) };
};

describe('AddressPolicy', () => {
  const blocks = [
    ['0.0.0.0', '0.255.255.255'],
    ['10.0.0.0', '10.255.255.255'],
    ['127.0.0.0', '127.255.255.255'],
    ['169.254.0.0', '169.254.255.255'],
    ['172.16.0.0', '172.31.255.255'],
    ['192.168.0.0', '192.168.255.255'],
    ['192.88.99.0', '192.88.99.255'],
    ['224.0.0.0', '239.255.255.255'],
    ['255.255.255.255', '255.255.255.255'],
  ] as const;

  test.each(blocks)('C-9: nothing from %s to %s is global, its neighbours are', (first, last) => {
    const policy = new AddressPolicy();
    const others = new Set(blocks.flatMap(([low, high]) => [v4(low), v4(high)]));
    expect(policy.isGlobalUnicast(v4(first))).toBe(false);
    expect(policy.isGlobalUnicast(v4(last))).toBe(false);
    for (const neighbour of [v4(first) - 1, v4(last) + 1]) {
      const exists = neighbour >= 0 && neighbour <= 0xffffffff;
      if (exists && !others.has(neighbour)) expect(policy.isGlobalUnicast(neighbour)).toBe(true);
    }
  });

  test.each(['240.0.0.1', '100.64.0.1', '192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1'])(
    'C-9: %s is global, as it is not in the list',
    (text) => expect(new AddressPolicy().isGlobalUnicast(v4(text))).toBe(true),
  );

  test('C-9: the broadcast addresses of attached subnets are not global', () => {
    const policy = new AddressPolicy({ subnets: [subnet('203.0.113.5/24'), subnet('198.51.100.1/31')] });
    expect(policy.isGlobalUnicast(v4('203.0.113.255'))).toBe(false);
    expect(policy.isGlobalUnicast(v4('198.51.100.1'))).toBe(true);
    policy.setSubnets([subnet('203.0.113.5/25')]);
    expect(policy.isGlobalUnicast(v4('203.0.113.255'))).toBe(true);
    expect(policy.isGlobalUnicast(v4('203.0.113.127'))).toBe(false);
  });

  test('S-12: with allowPrivate, private addresses count as global, and no others', () => {
    const policy = new AddressPolicy({ allowPrivate: true });
    for (const text of ['10.0.0.1', '172.31.255.1', '192.168.1.1'])
      expect(policy.isGlobalUnicast(v4(text))).toBe(true);
    for (const text of ['127.0.0.1', '169.254.0.1', '224.0.0.1', '0.0.0.1'])
      expect(policy.isGlobalUnicast(v4(text))).toBe(false);
  });

  test('isPrivate is RFC 1918', () => {
    expect(['10.1.2.3', '172.16.0.0', '192.168.255.255'].map((text) => isPrivate(v4(text)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['11.0.0.0', '172.32.0.0', '192.169.0.0'].map((text) => isPrivate(v4(text)))).toEqual([
      false,
      false,
      false,
    ]);
  });

  test('inSubnets', () => {
    const subnets = [subnet('192.0.2.77/28')];
    expect(inSubnets(v4('192.0.2.64'), subnets)).toBe(true);
    expect(inSubnets(v4('192.0.2.80'), subnets)).toBe(false);
    expect(inSubnets(v4('8.8.8.8'), [subnet('0.0.0.0/0')])).toBe(true);
    expect(inSubnets(v4('8.8.8.8'), [])).toBe(false);
  });
});
