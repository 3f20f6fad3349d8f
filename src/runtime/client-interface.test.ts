import { expect, test } from 'vitest';
import { SystemCallError } from '../linux/errors.ts';
import { formatIpv6, parseIpv6 } from '../wire/index.ts';
import type { TunnelHost, TunnelRules } from '../io/ports.ts';
import { ClientInterface } from './client-interface.ts';
import { TunnelGuard } from './tunnel-guard.ts';

const ENOBUFS = 105;
const [FIRST, SECOND] = [parseIpv6('2001:0:cb00:7178::1')!, parseIpv6('2001:0:cb00:7178::2')!];

test.each([
  ['twice', 2],
  ['once', 1],
])(
  'an address whose guard cannot be set %s waits until it can: nothing of it leaves elsewhere',
  async (_, times) => {
    const rig = await guardedInterface();
    rig.client.addAddress(FIRST);
    await rig.client.settled;
    expect(rig.addresses()).toEqual([formatIpv6(FIRST)]);
    rig.refuse(times);
    rig.client.addAddress(SECOND);
    await rig.client.settled;
    expect(rig.addresses()).toEqual([formatIpv6(FIRST)]);
    for (let i = 1; i <= times; i++) {
      expect(rig.failures()).toBe(i);
      rig.client.networkChanged();
      await rig.client.settled;
    }
    expect(rig.addresses()).toEqual([formatIpv6(FIRST), formatIpv6(SECOND)]);
    expect(rig.unguarded()).toEqual([]);
    rig.client.removeAddress(FIRST);
    await rig.client.settled;
    expect(rig.addresses()).toEqual([formatIpv6(SECOND)]);
  },
);

test('an address that the system does not take away stays guarded, and goes with the next try', async () => {
  const rig = await guardedInterface();
  rig.client.addAddress(FIRST);
  rig.client.addAddress(SECOND);
  await rig.client.settled;
  rig.keep(2);
  rig.client.removeAddress(FIRST);
  await rig.client.settled;
  expect([rig.addresses().length, rig.guarded().length, rig.failures()]).toEqual([2, 2, 1]);
  rig.client.networkChanged();
  await rig.client.settled;
  expect([rig.addresses().length, rig.guarded().length, rig.failures()]).toEqual([2, 2, 2]);
  rig.client.networkChanged();
  await rig.client.settled;
  expect([rig.addresses(), rig.guarded()]).toEqual([[formatIpv6(SECOND)], [formatIpv6(SECOND)]]);
  expect(rig.failures()).toBe(2);
});

async function guardedInterface() {
  let [refusals, failures, keeps] = [0, 0, 0];
  const given = new Set<string>();
  const unguarded: string[] = [];
  let guarded: string[] = [];
  const rules: TunnelRules = {
    set: (addresses) => {
      if (refusals-- > 0) throw new SystemCallError('nftables', ENOBUFS);
      guarded = addresses.map((address) => formatIpv6(address));
    },
    close: () => {},
  };
  const nothing = () => Promise.resolve();
  const network = {
    setUpTunnel: nothing,
    addAddress: (_: string, address: Uint8Array) => {
      const text = formatIpv6(address);
      if (text.startsWith('2001:')) given.add(text);
      if (text.startsWith('2001:') && !guarded.includes(text)) unguarded.push(text);
      return Promise.resolve();
    },
    removeAddress: (_: string, address: Uint8Array) => {
      if (keeps-- > 0) return Promise.reject(new SystemCallError('RTM_DELADDR', ENOBUFS));
      return Promise.resolve(void given.delete(formatIpv6(address)));
    },
    addRoute: nothing,
    removeRoute: nothing,
    hasNativeIpv6: () => false,
    otherTeredoDefault: () => undefined,
    tunnelState: () => ({
      isUp: true,
      addresses: [...given].map((text) => ({ address: parseIpv6(text)!, prefixLength: 32 })),
      routes: [],
    }),
  } as unknown as TunnelHost;
  const guard = new TunnelGuard('accept', () => {});
  guard.begin(() => rules);
  const client = new ClientInterface('teredo', network, 'never', guard, {
    onDefaultRoute: () => {},
    onWarning: () => {},
    onFailure: () => failures++,
  });
  await client.setUp();
  return {
    client,
    refuse: (times: number) => (refusals = times),
    keep: (times: number) => (keeps = times),
    guarded: () => guarded,
    failures: () => failures,
    addresses: () => [...given],
    unguarded: () => unguarded,
  };
}
