import { expect, test } from 'vitest';
import { parseIpv6 } from '../wire/index.ts';
import { TunnelGuard } from './tunnel-guard.ts';

const OWN = parseIpv6('2001:0:cb00:7178::1')!;
const fail = (): never => {
  throw new Error('this kernel has no nftables');
};

test('a tunnel that is to refuse incoming packets fails without the rules; another one warns', () => {
  const warnings: string[] = [];
  const guard = (inbound: 'accept' | 'refuse') => new TunnelGuard(inbound, (text) => warnings.push(text));
  expect(() => guard('refuse').begin(fail)).toThrow('this kernel has no nftables');
  expect(warnings).toEqual([]);
  const open = guard('accept');
  open.begin(fail);
  open.setOwn([OWN]);
  open.close();
  expect(warnings).toEqual([
    expect.stringMatching(/may leave by other interfaces: this kernel has no nftables/),
  ]);
});

test('rules are set when the addresses change, tried again when they could not be, and end with the tunnel', () => {
  const set: (readonly [number, boolean])[] = [];
  const warnings: string[] = [];
  let [refuses, closed] = [false, 0];
  const guard = new TunnelGuard('refuse', (text) => warnings.push(text));
  guard.begin(() => ({
    set: (own, refuseInbound) => (refuses ? fail() : void set.push([own.length, refuseInbound])),
    close: () => closed++,
  }));
  refuses = true;
  guard.setOwn([OWN]);
  refuses = false;
  guard.setOwn([OWN]);
  guard.setOwn([OWN]);
  guard.close();
  guard.close();
  expect(set).toEqual([
    [0, true],
    [1, true],
  ]);
  expect([warnings.length, closed]).toEqual([1, 1]);
});
