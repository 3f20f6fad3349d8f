import { describe, expect, test } from 'vitest';
import { Ipv4Host } from './ipv4-host.ts';
import type { UdpSocket } from './ipv4-host.ts';
import { Ipv4Network } from './ipv4-network.ts';
import { Nat } from './nat.ts';
import { NAT_KINDS } from './nat-options.ts';
import type { Dependence, NatOptions } from './nat-options.ts';
import { World } from './world.ts';

const EXTERNAL = 0x05000001;
const A = 0x06000001;
const B = 0x07000001;
const DEPENDENCES: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
];

/** Two hosts outside with two sockets each, and two hosts inside; each socket records the sources of its datagrams. */
function rig(options: Partial<NatOptions>) {
  const world = new World();
  const internet = new Ipv4Network(world, 'internet');
  const nat = new Nat(internet, EXTERNAL, 0xc0a80101, { ...NAT_KINDS.portRestricted, ...options });
  const heard = new Map<UdpSocket, string[]>();
  const open = (network: Ipv4Network, host: Ipv4Host, address: number, port: number): UdpSocket => {
    if (!host.addresses.includes(address)) host.attach(network, address);
    const socket = host.bind(address, port, (_, from, fromPort) =>
      heard.get(socket)!.push(`${from}:${fromPort}`),
    );
    heard.set(socket, []);
    return socket;
  };
  const [a, b, inner, other] = [new Ipv4Host(), new Ipv4Host(), new Ipv4Host(), new Ipv4Host()];
  const sockets = {
    a1: open(internet, a, A, 1001),
    a2: open(internet, a, A, 1002),
    b1: open(internet, b, B, 1001),
    inside: open(nat.inside, inner, 0xc0a80102, 5000),
    neighbour: open(nat.inside, other, 0xc0a80103, 5000),
  };
  /** Sends a datagram and waits for it; returns the sources that `to` has recorded. */
  const send = (from: UdpSocket, address: number, port: number, to: UdpSocket): string[] => {
    heard.get(to)!.length = 0;
    from.send(new Uint8Array(1), address, port);
    world.runFor(1);
    return [...heard.get(to)!];
  };
  /** External ports that a1, a2 and b1 see. */
  const ports = (): number[] =>
    [sockets.a1, sockets.a2, sockets.b1].map((to) =>
      Number(send(sockets.inside, to.address, to.port, to)[0]!.split(':')[1]),
    );
  return { world, nat, send, ports, ...sockets };
}

describe('mapping', () => {
  test.each([
    ['endpoint-independent', 1, 1],
    ['address-dependent', 1, 2],
    ['address-and-port-dependent', 2, 3],
  ] as const)('%s', (mapping, toOneAddress, toAll) => {
    const ports = rig({ mapping, ports: 'random' }).ports();
    expect(new Set(ports.slice(0, 2)).size).toBe(toOneAddress);
    expect(new Set(ports).size).toBe(toAll);
  });

  test('ports are preserved while they are free', () => {
    const { a1, inside, neighbour, send } = rig({});
    expect(send(inside, A, 1001, a1)).toEqual([`${EXTERNAL}:5000`]);
    expect(send(neighbour, A, 1001, a1)).toEqual([`${EXTERNAL}:5001`]);
  });

  test('ports are consecutive', () => {
    const { ports } = rig(NAT_KINDS.symmetricSequential);
    expect(ports()).toEqual([40_000, 40_001, 40_002]);
  });

  test('if no port is left outbound datagrams are dropped, until one is free again', () => {
    const { a1, inside, nat, neighbour, send, world } = rig({ portRange: [2000, 2000] });
    expect(send(inside, A, 1001, a1)).toEqual([`${EXTERNAL}:2000`]);
    expect(send(neighbour, A, 1001, a1)).toEqual([]);
    expect(nat.counters.noPort).toBe(1);
    world.runFor(nat.options.lifetimeMs);
    expect(send(neighbour, A, 1001, a1)).toEqual([`${EXTERNAL}:2000`]);
  });
});

describe('filtering', () => {
  const expected = {
    'endpoint-independent': [1, 1, 1],
    'address-dependent': [1, 1, 0],
    'address-and-port-dependent': [1, 0, 0],
  };
  for (const mapping of DEPENDENCES) {
    test.each(DEPENDENCES)(`%s, whatever the mapping: ${mapping}`, (filtering) => {
      const { a1, a2, b1, inside, send } = rig({ mapping, filtering });
      expect(send(a1, EXTERNAL, 5000, inside)).toEqual([]);
      send(inside, A, 1001, a1);
      expect([a1, a2, b1].map((from) => send(from, EXTERNAL, 5000, inside).length)).toEqual(
        expected[filtering],
      );
    });
  }
});

describe('lifetime', () => {
  test.each([
    [false, 0],
    [true, 1],
  ])('inbound refresh %s', (inboundRefresh, reached) => {
    const { a1, inside, send, world } = rig({ lifetimeMs: 60_000, inboundRefresh });
    send(inside, A, 1001, a1);
    for (let i = 0; i < 3; i++) {
      world.runFor(29_000);
      send(a1, EXTERNAL, 5000, inside);
    }
    expect(send(a1, EXTERNAL, 5000, inside)).toHaveLength(reached);
  });

  test('each outbound datagram renews the permission of its destination', () => {
    const { a1, b1, inside, send, world } = rig({ lifetimeMs: 60_000 });
    send(inside, B, 1001, b1);
    for (let i = 0; i < 3; i++) {
      send(inside, A, 1001, a1);
      world.runFor(29_000);
    }
    expect(send(a1, EXTERNAL, 5000, inside)).toHaveLength(1);
    expect(send(b1, EXTERNAL, 5000, inside)).toHaveLength(0);
  });

  test('a flush removes all mappings, and so does a new address', () => {
    const { a1, inside, nat, send } = rig({});
    send(inside, A, 1001, a1);
    nat.flush();
    expect(send(a1, EXTERNAL, 5000, inside)).toEqual([]);
    nat.setExternalAddress(EXTERNAL + 1);
    expect(send(inside, A, 1001, a1)).toEqual([`${EXTERNAL + 1}:5000`]);
    expect(send(a1, EXTERNAL + 1, 5000, inside)).toHaveLength(1);
    expect(send(a1, EXTERNAL, 5000, inside)).toEqual([]);
  });
});

describe('hairpinning', () => {
  test.each([true, false])('%s', (hairpinning) => {
    const { a1, inside, neighbour, send } = rig({ hairpinning, filtering: 'endpoint-independent' });
    send(neighbour, A, 1001, a1);
    expect(send(inside, EXTERNAL, 5000, neighbour)).toEqual(hairpinning ? [`${EXTERNAL}:5001`] : []);
  });
});
