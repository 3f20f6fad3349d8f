import { expect, test } from 'vitest';
import { v4, v6, data, seededEntropy, teredo, at } from '../../test/support/client-rig.ts';
import { EnvironmentError } from '../io/errors.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import type { PortFactory } from '../io/port-factory.ts';
import type { DatagramBatch, PacketBatch } from '../io/ports.ts';
import { formatIpv4, formatIpv6 } from '../wire/index.ts';
import { Client } from './client.ts';
import type { ClientSettings } from './client-settings.ts';
import { ALL_NATIVE, Relay } from './relay.ts';
import type { RelaySettings } from './relay.ts';
import { Server } from './server.ts';

const SERVERS = [{ primary: v4('203.0.113.120'), secondary: v4('203.0.113.121') }];
const HOST = v6('2001:db8::5');
const CLIENT = teredo(at('203.0.113.120:3544'), at('192.0.2.1:4096'));
const HEADROOM = 64;

/** Ports that write down their calls, in words. */
class Ports implements PortFactory {
  readonly said: string[] = [];
  readonly sent: string[] = [];
  /** IPv6 sources of packets that the host gets through the tunnel. */
  readonly sources: string[] = [];
  nativeIpv6 = false;
  hostAddresses = [HOST];
  subnet = v4('198.51.100.7');
  readonly clock = new MemoryClock();
  readonly entropy = seededEntropy();
  readonly network: PortFactory['network'] = {
    ipv4Subnets: () => [{ address: this.subnet, prefixLength: 24, interface: 'eth0' }],
    globalIpv6: () => this.hostAddresses,
    sourceAddress: () => this.subnet,
    forwardsIpv6: () => false,
  };
  readonly tunnelHost: PortFactory['tunnelHost'] = {
    hasNativeIpv6: () => this.nativeIpv6,
    otherTeredoDefault: () => undefined,
    tunnelState: () => undefined,
    setUpTunnel: (name, mtu) => this.say(`mtu ${name} ${mtu}`),
    addAddress: (_, address, length) => this.say(`address ${formatIpv6(address)}/${length}`),
    removeAddress: (_, address) => this.say(`no address ${formatIpv6(address)}`),
    addRoute: (_, { destination, prefixLength }) =>
      this.say(`route ${formatIpv6(destination)}/${prefixLength}`),
    removeRoute: (_, { destination }) => this.say(`no route ${formatIpv6(destination)}`),
  };
  private onPackets: (batch: PacketBatch) => void = () => undefined;
  private onDatagrams: (batch: DatagramBatch) => void = () => undefined;
  private onChange: () => void = () => undefined;

  openPortMapper() {
    return undefined;
  }

  openUdp({ address, port }: { readonly address: number; readonly port: number }) {
    void this.say(`udp ${formatIpv4(address)}:${port}`);
    return {
      local: { address, port: port === 0 ? 50_000 : port },
      counters: {} as never,
      start: (onDatagrams: (batch: DatagramBatch) => void) => void (this.onDatagrams = onDatagrams),
      send: (_b: Uint8Array, _o: number, length: number, to: number, toPort: number) =>
        void this.sent.push(`${length} to ${formatIpv4(to)}:${toPort}`),
      mergeRuns: () => undefined,
      flush: () => undefined,
      close: () => undefined,
    };
  }
  openDiscovery(address: number) {
    return this.openUdp({ address, port: 3544 });
  }
  openTun(name: string) {
    return {
      name,
      counters: {} as never,
      start: (onPackets: (batch: PacketBatch) => void) => void (this.onPackets = onPackets),
      write: (b: Uint8Array, o: number) => void this.sources.push(formatIpv6(b.slice(o + 8, o + 24))),
      flush: () => undefined,
      close: () => undefined,
    };
  }
  openTunnelRules() {
    return { set: () => undefined, close: () => undefined };
  }
  openRawIpv6() {
    return { failures: {}, send: () => true, close: () => undefined };
  }
  openKernelPath(): never {
    throw new EnvironmentError('no-kernel-path', 'there is no kernel');
  }
  openServerPath(): never {
    throw new EnvironmentError('no-kernel-path', 'there is no kernel');
  }
  openNetworkMonitor() {
    return { start: (onChange: () => void) => void (this.onChange = onChange), close: () => undefined };
  }

  /** The host sends this through the tunnel. */
  offer(packet: Uint8Array): void {
    const buffer = new Uint8Array(HEADROOM + packet.length);
    buffer.set(packet, HEADROOM);
    const [offsets, lengths] = [Uint32Array.of(HEADROOM), Uint32Array.of(packet.length)];
    this.onPackets({ count: 1, buffer, offsets, lengths });
  }
  /** A datagram with nothing in it. */
  receive(from: string): void {
    const [addresses, ports] = [Uint32Array.of(v4(from)), Uint16Array.of(4_096)];
    const [offsets, lengths, tos] = [Uint32Array.of(HEADROOM), Uint32Array.of(0), Uint8Array.of(0)];
    this.onDatagrams({ count: 1, buffer: new Uint8Array(HEADROOM), offsets, lengths, addresses, ports, tos });
  }
  changeAddresses(addresses: Uint8Array[]): void {
    this.hostAddresses = addresses;
    this.change();
  }
  changeSubnet(address: string): void {
    this.subnet = v4(address);
    this.change();
  }

  private change(): void {
    this.onChange();
    this.clock.advance(100);
  }

  private say(words: string): Promise<void> {
    this.said.push(words);
    return Promise.resolve();
  }
}

async function client(settings: Partial<ClientSettings>, ports = new Ports()): Promise<Ports> {
  await using running = new Client({ servers: SERVERS, interface: 'teredo', ...settings }, ports);
  await running.start();
  return ports;
}

async function relay(settings: Partial<RelaySettings>, use: (ports: Ports) => void): Promise<void> {
  const ports = new Ports();
  await using running = new Relay({ address: 0, port: 3545, interface: 'teredo', ...settings }, ports);
  await running.start();
  use(ports);
}

test("CL-3, CL-125: the service port is the one configured, else of the system's choice", async () => {
  expect((await client({ port: 40_000 })).said[0]).toBe('udp 0.0.0.0:40000');
  expect((await client({})).said[0]).toBe('udp 0.0.0.0:0');
});

test('C-22: the MTU of every tunnel is 1280', async () => {
  expect((await client({})).said).toContain('mtu teredo 1280');
  await relay({}, ({ said }) => expect(said).toContain('mtu teredo 1280'));
});

test('S-1: a server listens on port 3544 of both addresses', async () => {
  const ports = new Ports();
  const [address, secondary] = [v4('203.0.113.120'), v4('203.0.113.121')];
  await using server = new Server({ address, secondary }, ports);
  await server.start();
  expect(ports.said).toEqual(['udp 203.0.113.120:3544', 'udp 203.0.113.121:3544']);
});

test('R-1, R-2, H-1, H-10: a relay has one socket, on its port, and the route of 2001::/32, without any advertised', async () => {
  await relay({ port: 4_000 }, ({ said }) => {
    expect(said.filter((words) => words.startsWith('udp'))).toEqual(['udp 0.0.0.0:4000']);
    expect(said.filter((words) => words.startsWith('route'))).toEqual(['route 2001::/32']);
  });
});

test('H-2: a host-specific relay has a link-local address only, and solicits no server', async () => {
  await relay({}, ({ said, sent }) => {
    expect(said.filter((words) => words.startsWith('address'))).toEqual([
      expect.stringMatching(/^address fe80:/),
    ]);
    expect(sent).toEqual([]);
  });
});

test("H-4, H-5, H-8: a host-specific relay carries the host's own packets, and follows its addresses", async () => {
  const other = v6('2001:db8::6');
  await relay({}, (ports) => {
    ports.offer(data(other, CLIENT));
    expect(ports.sent).toEqual([]);
    ports.offer(data(HOST, CLIENT));
    expect(ports.sent).toEqual(['40 to 203.0.113.120:3544']);
  });
  await relay({}, (ports) => {
    ports.changeAddresses([other]);
    ports.offer(data(HOST, CLIENT));
    expect(ports.sent).toEqual([]);
    ports.offer(data(other, CLIENT));
    expect(ports.sent).toEqual(['40 to 203.0.113.120:3544']);
  });
});

test('H-7: behind a NAT a bubble goes straight to the client too', async () => {
  await relay({ directBubbles: true }, (ports) => {
    ports.offer(data(HOST, CLIENT));
    expect(ports.sent).toEqual(['40 to 192.0.2.1:4096', '40 to 203.0.113.120:3544']);
  });
});

test.for([
  ['198.51.100.7', {}, false],
  ['192.168.1.100', {}, true],
  ['10.0.0.5', {}, true],
  ['172.31.0.10', {}, true],
  ['169.254.7.7', {}, true],
  ['100.64.0.9', {}, true],
  ['100.128.0.9', {}, false],
  ['192.168.1.100', { allowPrivate: true }, false],
  ['192.168.1.100', { directBubbles: false }, false],
  ['198.51.100.7', { directBubbles: true }, true],
  ['172.31.0.10', { announce: v4('203.0.113.5') }, false],
] as const)('H-7: at %s, with %o, bubbles straight to clients: %s', async ([address, settings, wanted]) => {
  const direct = ['40 to 192.0.2.1:4096', '40 to 203.0.113.120:3544'];
  await relay(settings, (ports) => {
    ports.changeSubnet(address);
    ports.offer(data(HOST, CLIENT));
    expect(ports.sent).toEqual(wanted ? direct : direct.slice(1));
  });
});

test('H-9: a host-specific relay sends nowhere that is not global, and a relay neither', async () => {
  for (const serve of [undefined, ALL_NATIVE]) {
    await relay({ serve }, (ports) => {
      ports.offer(data(HOST, teredo(at('203.0.113.120:3544'), at('10.0.0.1:4096'))));
      ports.offer(data(HOST, teredo(at('127.0.0.1:3544'), at('192.0.2.1:4096'))));
      expect(ports.sent).toEqual([]);
    });
  }
});

test("R-27, R-28: a relay's errors come from a global address of its host, else a unique local one, as they come and go", async () => {
  await relay({ serve: ALL_NATIVE }, (ports) => {
    const tooBig = (): string | undefined => {
      ports.offer(data(HOST, CLIENT, 1_400));
      return ports.sources.at(-1);
    };
    expect(tooBig()).toBe('2001:db8::5');
    ports.changeAddresses([v6('fd00::5')]);
    expect(tooBig()).toBe('fd00::5');
    ports.changeAddresses([v6('fd00::5'), v6('2001:db8::6')]);
    expect(tooBig()).toBe('2001:db8::6');
    ports.changeAddresses([]);
    expect(tooBig()).toMatch(/^fe80:/);
  });
});

test('C-9, R-4: a relay sends to no address of its own, and to no broadcast address, as they come and go', async () => {
  await relay({ serve: ALL_NATIVE, port: 3544 }, (ports) => {
    const offerTo = (server: string, mapped: string): number => {
      ports.offer(data(HOST, teredo(at(`${server}:3544`), at(`${mapped}:4096`))));
      return ports.sent.length;
    };
    ports.changeSubnet('203.0.113.7');
    expect(offerTo('203.0.113.7', '192.0.2.1')).toBe(0);
    expect(offerTo('203.0.113.120', '203.0.113.255')).toBe(0);
    ports.changeSubnet('198.51.100.7');
    expect(offerTo('203.0.113.7', '192.0.2.2')).toBe(1);
    expect(offerTo('203.0.113.120', '203.0.113.255')).toBe(2);
  });
});

test("C-9: a server's subnets are followed: their broadcast addresses are no sources", async () => {
  const ports = new Ports();
  await using server = new Server({ address: v4('203.0.113.120') }, ports);
  await server.start();
  ports.receive('203.0.113.255');
  expect(server.counters).toMatchObject({ droppedEmpty: 1, droppedSourceNotGlobal: 0 });
  ports.changeSubnet('203.0.113.120');
  ports.receive('203.0.113.255');
  expect(server.counters).toMatchObject({ droppedEmpty: 1, droppedSourceNotGlobal: 1 });
});
