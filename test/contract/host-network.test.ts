import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { EnvironmentError } from '../../src/io/errors.ts';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { PortFactory } from '../../src/io/port-factory.ts';
import { ip } from '../support/iproute.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { parseIpv4, parseIpv6 } from '../../src/wire/index.ts';
import { isRoot, memoryPorts } from './adapters.ts';
import { eventually } from '../support/eventually.ts';

/** A host with one interface at 192.0.2.1/24, which may get native IPv6. */
interface Rig {
  readonly ports: PortFactory;
  readonly getNativeIpv6: () => Promise<void>;
  /** Adds a default route by 2001:db8::2 on the link of this address, and the address. */
  readonly getDefaultWith: (address: string) => Promise<void>;
  /** Adds the address 2001:db8:20::1 on another interface, as of a VPN or of containers, by which nothing else is reached. */
  readonly addElsewhere: () => Promise<void>;
  /** 198.51.100.7/32 and 2001:db8:10::1/128 on `lo`. */
  readonly addToLoopback: () => Promise<void>;
  readonly takeDown: (name: string) => Promise<void>;
}

const NAME = 'tdnetwork';
const ADDRESS = parseIpv6('2001:0:c000:201::1')!;
const DEFAULT = { destination: parseIpv6('::')!, prefixLength: 0, metric: 1029 };

const RIGS: readonly { name: string; skipped: boolean; open: () => Promise<Rig> }[] = [
  { name: isRoot ? 'kernel' : 'kernel (needs root)', skipped: !isRoot, open: kernelRig },
  { name: 'memory', skipped: false, open: memoryRig },
];

for (const { name, skipped, open } of RIGS) {
  describe.skipIf(skipped)(`HostNetwork and TunnelHost: ${name}`, () => {
    if (name === 'kernel') beforeAll(enterNewNetwork);

    test('knows the IPv4 subnets, and the source address of outgoing datagrams', async () => {
      const { network } = (await open()).ports;
      // An interface just switched on may not run yet.
      await eventually(() =>
        expect(network.ipv4Subnets()).toEqual([
          { address: parseIpv4('192.0.2.1'), prefixLength: 24, interface: 'eth0' },
        ]),
      );
      expect(network.sourceAddress(parseIpv4('192.0.2.77')!)).toBe(parseIpv4('192.0.2.1'));
    });

    test('counts global addresses on the loopback interface, and no others there', async () => {
      const { ports, addToLoopback } = await open();
      const { network } = ports;
      await addToLoopback();
      expect(network.ipv4Subnets().filter(({ interface: name }) => name === 'lo')).toEqual([
        { address: parseIpv4('198.51.100.7'), prefixLength: 32, interface: 'lo' },
      ]);
      expect(network.globalIpv6()).toEqual([parseIpv6('2001:db8:10::1')]);
    });

    test("distinguishes native IPv6 from a route into our tunnel, or into another client's", async () => {
      const { ports, getNativeIpv6 } = await open();
      const { network, tunnelHost } = ports;
      openTun(ports);
      await tunnelHost.setUpTunnel(NAME, 1280);
      await tunnelHost.addAddress(NAME, ADDRESS, 32);
      await tunnelHost.addRoute(NAME, DEFAULT);
      expect(tunnelHost.hasNativeIpv6(NAME)).toBe(false);
      expect(tunnelHost.hasNativeIpv6('another')).toBe(false);
      expect(tunnelHost.otherTeredoDefault(NAME)).toBeUndefined();
      expect(tunnelHost.otherTeredoDefault('another')).toBe(NAME);
      expect(network.globalIpv6()).toEqual([]);

      await getNativeIpv6();
      expect(tunnelHost.hasNativeIpv6(NAME)).toBe(true);
      expect(network.globalIpv6()).toEqual([parseIpv6('2001:db8::1')]);
    });

    test.each(['fd12:3456:789a::100', 'fec0::100', '2002:c000:201::1', '2001:0:c000:201::7', 'fe80::7'])(
      'a default route of a host with %s alone is not native IPv6',
      async (address) => {
        const { ports, getDefaultWith, getNativeIpv6 } = await open();
        await getDefaultWith(address);
        expect(ports.tunnelHost.hasNativeIpv6(NAME)).toBe(false);
        if (!address.startsWith('2001')) await getNativeIpv6(); // an interface with a Teredo address is a tunnel
        expect(ports.tunnelHost.hasNativeIpv6(NAME)).toBe(!address.startsWith('2001'));
      },
    );

    test.each([
      ['fd12:3456:789a::100', false],
      ['2002:c000:201::1', false],
      ['2001:db8:30::1', true],
      // Like a router's uplink: the system uses the source address of another interface.
      ['fe80::7', true],
    ])(
      'with a native address on another interface and a default route at %s: %s',
      async (address, native) => {
        const { ports, getDefaultWith, addElsewhere } = await open();
        await addElsewhere();
        expect(ports.tunnelHost.hasNativeIpv6(NAME)).toBe(false);
        await getDefaultWith(address);
        expect(ports.tunnelHost.hasNativeIpv6(NAME)).toBe(native);
      },
    );

    test('a default route at an interface with a ULA, and a native address on the loopback interface, are native IPv6', async () => {
      const { ports, getDefaultWith, addToLoopback } = await open();
      await addToLoopback();
      await getDefaultWith('fd12:3456:789a::100');
      expect(ports.tunnelHost.hasNativeIpv6(NAME)).toBe(true);
    });

    test('site-scoped addresses are not global', async () => {
      const { ports, getDefaultWith } = await open();
      await getDefaultWith('fd12:3456:789a::100');
      expect(ports.network.globalIpv6()).toEqual([]);
    });

    test('adds and removes addresses and routes; removing a missing one is harmless', async () => {
      const { ports } = await open();
      const { tunnelHost } = ports;
      const tun = openTun(ports);
      await tunnelHost.setUpTunnel(NAME, 1280);
      for (let round = 0; round < 2; round++) {
        await tunnelHost.addAddress(NAME, ADDRESS, 32);
        await tunnelHost.addRoute(NAME, DEFAULT);
        expect(tunnelHost.otherTeredoDefault('another')).toBe(NAME);
        await tunnelHost.removeRoute(NAME, DEFAULT);
        expect(tunnelHost.otherTeredoDefault('another')).toBeUndefined();
        await tunnelHost.removeAddress(NAME, ADDRESS, 32);
      }
      await tunnelHost.removeRoute(NAME, DEFAULT);
      await tunnelHost.removeAddress(NAME, ADDRESS, 32);
      tun.close();
      await tunnelHost.removeRoute(NAME, DEFAULT);
      await tunnelHost.removeAddress(NAME, ADDRESS, 32);
    });

    test('rejects with the reason', async () => {
      const { ports } = await open();
      const { tunnelHost } = ports;
      await expect(tunnelHost.setUpTunnel('nowhere', 1280)).rejects.toThrow(EnvironmentError);
      await expect(tunnelHost.addAddress('nowhere', ADDRESS, 32)).rejects.toThrow(EnvironmentError);
      openTun(ports);
      await expect(tunnelHost.addRoute(NAME, DEFAULT), 'the interface is down').rejects.toThrow(
        EnvironmentError,
      );
      await tunnelHost.setUpTunnel(NAME, 1280);
      await tunnelHost.addRoute(NAME, DEFAULT);
      await expect(tunnelHost.addRoute(NAME, DEFAULT)).rejects.toThrow(/exists already/);
    });

    test('reports the configuration of a tunnel, and the rest of it after another program took it down', async () => {
      const { ports, takeDown } = await open();
      const { tunnelHost } = ports;
      expect(tunnelHost.tunnelState(NAME)).toBeUndefined();
      openTun(ports);
      expect(tunnelHost.tunnelState(NAME)).toEqual({ isUp: false, addresses: [], routes: [] });
      const address = { address: ADDRESS, prefixLength: 32 };
      const half = { destination: parseIpv6('2001::')!, prefixLength: 33, source: ADDRESS };
      for (let round = 0; round < 2; round++) {
        await tunnelHost.setUpTunnel(NAME, 1280);
        await tunnelHost.addAddress(NAME, ADDRESS, 32);
        await tunnelHost.addRoute(NAME, DEFAULT);
        await tunnelHost.addRoute(NAME, half);
        const { isUp, addresses, routes } = tunnelHost.tunnelState(NAME)!;
        expect([isUp, addresses]).toEqual([true, [address]]);
        expect(routes).toContainEqual(DEFAULT);
        expect(routes).toContainEqual(expect.objectContaining(half));
        await takeDown(NAME);
        expect(tunnelHost.tunnelState(NAME)).toEqual({ isUp: false, addresses: [], routes: [] });
      }
    });

    test('an interface that is removed takes its addresses and routes along', async () => {
      const { ports } = await open();
      const { tunnelHost } = ports;
      const tun = openTun(ports);
      await tunnelHost.setUpTunnel(NAME, 1280);
      await tunnelHost.addRoute(NAME, DEFAULT);
      tun.close();
      expect(tunnelHost.hasNativeIpv6('another')).toBe(false);
      openTun(ports);
      await tunnelHost.setUpTunnel(NAME, 1280);
      await tunnelHost.addAddress(NAME, ADDRESS, 32);
      await tunnelHost.addRoute(NAME, DEFAULT);
    });

    test('its monitor reports changes until it is closed', async () => {
      const { ports, getNativeIpv6 } = await open();
      const monitor = ports.openNetworkMonitor();
      let changes = 0;
      monitor.start(() => changes++);
      await getNativeIpv6();
      await eventually(() => expect(changes).toBeGreaterThan(0));
      monitor.close();
      monitor.close();
      const neverStarted = ports.openNetworkMonitor();
      neverStarted.close();
      neverStarted.close();
    });
  });
}

function openTun(ports: PortFactory) {
  const tun = ports.openTun(NAME);
  onTestFinished(() => tun.close());
  return tun;
}

async function kernelRig(): Promise<Rig> {
  await ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far');
  onTestFinished(() => ip('link', 'delete', 'eth0'));
  await ip('address', 'add', '192.0.2.1/24', 'dev', 'eth0');
  await ip('link', 'set', 'eth0', 'addrgenmode', 'none', 'up');
  await ip('link', 'set', 'far', 'addrgenmode', 'none', 'up');
  return {
    ports: kernelPorts(),
    getNativeIpv6: async () => {
      await ip('address', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
      await ip('-6', 'route', 'replace', '::/0', 'via', '2001:db8::2', 'dev', 'eth0');
    },
    getDefaultWith: async (address) => {
      await ip('address', 'add', `${address}/64`, 'dev', 'eth0', 'nodad');
      await ip('-6', 'route', 'add', '::/0', 'via', 'fe80::2', 'dev', 'eth0', 'onlink');
    },
    addElsewhere: async () => {
      await ip('link', 'add', 'bridge0', 'type', 'veth', 'peer', 'name', 'bridge0-far');
      onTestFinished(() => ip('link', 'delete', 'bridge0'));
      await ip('link', 'set', 'bridge0', 'addrgenmode', 'none', 'up');
      await ip('address', 'add', '2001:db8:20::1/64', 'dev', 'bridge0', 'nodad');
    },
    takeDown: (name) => ip('link', 'set', name, 'down'),
    addToLoopback: async () => {
      await ip('link', 'set', 'lo', 'up');
      for (const address of ['198.51.100.7/32', '2001:db8:10::1/128']) {
        await ip('address', 'add', address, 'dev', 'lo');
        onTestFinished(() => ip('address', 'delete', address, 'dev', 'lo'));
      }
    },
  };
}

async function memoryRig(): Promise<Rig> {
  const ports = memoryPorts();
  ports.network.subnets = [{ address: parseIpv4('192.0.2.1')!, prefixLength: 24, interface: 'eth0' }];
  return {
    ports,
    getNativeIpv6: async () => {
      ports.network.nativeAddresses = [parseIpv6('2001:db8::1')!];
      ports.network.nativeDefaultRoute = true;
      ports.networkChanged();
    },
    getDefaultWith: async (address) => {
      ports.network.nativeAddresses = [...ports.network.nativeAddresses, parseIpv6(address)!];
      ports.network.nativeDefaultRoute = true;
    },
    addElsewhere: async () => {
      ports.network.otherAddresses = [parseIpv6('2001:db8:20::1')!];
    },
    takeDown: async (name) => ports.network.takeDown(name),
    addToLoopback: async () => {
      const { network } = ports;
      const address = parseIpv4('198.51.100.7')!;
      network.subnets = [...network.subnets, { address, prefixLength: 32, interface: 'lo' }];
      network.nativeAddresses = [parseIpv6('2001:db8:10::1')!];
    },
  };
}
