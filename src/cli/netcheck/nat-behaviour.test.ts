import { expect, test } from 'vitest';
import { Internet, NAT_KINDS } from '../../sim/index.ts';
import type { NatOptions } from '../../sim/index.ts';
import { SimProbePorts } from '../../../test/support/sim-probe-ports.ts';
import { measureNat } from './nat-behaviour.ts';
import type { NatBehaviour } from './nat-behaviour.ts';

interface Rig {
  readonly servers?: number;
  readonly single?: boolean;
  readonly port?: number;
}

interface Measured {
  readonly behaviour: NatBehaviour;
  readonly tookMs: number;
  readonly mostToOne: number;
}

async function measured(
  nat: NatOptions | undefined,
  { servers = 1, single = false, port }: Rig = {},
): Promise<Measured> {
  const net = new Internet();
  for (let i = 0; i < servers; i++) net.addServer({ single });
  const ports = new SimProbePorts(net, nat === undefined ? undefined : net.addNat(nat));
  const startedAt = net.world.now;
  const behaviour = await ports.run(
    measureNat({ servers: net.servers.map((_, i) => net.serverCandidate(i)), port, roundTripMs: 100 }, ports),
  );
  expect(ports.openSockets).toBe(0);
  return { behaviour, tookMs: net.world.now - startedAt, mostToOne: Math.max(...ports.sent.values()) };
}

const behaviourOf = async (nat: NatOptions | undefined, rig?: Rig): Promise<NatBehaviour> =>
  (await measured(nat, rig)).behaviour;

test.for([
  ['fullCone', 'endpoint-independent', 'endpoint-independent', 'preserving'],
  ['addressRestricted', 'endpoint-independent', 'address-dependent-or-stricter', 'preserving'],
  ['portRestricted', 'endpoint-independent', 'address-dependent-or-stricter', 'preserving'],
  ['symmetric', 'address-dependent-or-stricter', 'address-dependent-or-stricter', 'random'],
  ['symmetricSequential', 'address-dependent-or-stricter', 'address-dependent-or-stricter', 'counting'],
] as const)('%s', async ([kind, mapping, filtering, portAllocation]) => {
  expect(await behaviourOf(NAT_KINDS[kind])).toMatchObject({
    present: true,
    mapping,
    filtering,
    portAllocation,
  });
});

test('takes less than 5 s and few datagrams, whatever the NAT and however many the servers', async () => {
  for (const kind of Object.values(NAT_KINDS)) {
    for (const servers of [1, 10]) {
      const { tookMs, mostToOne } = await measured(kind, { servers });
      expect(tookMs).toBeLessThan(3_000);
      expect(mostToOne).toBeLessThanOrEqual(13);
    }
  }
});

test('of many servers the best eight are asked', async () => {
  const net = new Internet();
  for (let i = 0; i < 10; i++) net.addServer();
  const ports = new SimProbePorts(net, net.addNat(NAT_KINDS.fullCone));
  const servers = net.servers.map((_, i) => net.serverCandidate(i));
  await ports.run(measureNat({ servers, roundTripMs: 100 }, ports));
  expect([...ports.sent.keys()].filter((address) => address >>> 8 === 0xc63364)).toHaveLength(16);
});

test('an address that was asked itself says nothing about filtering', async () => {
  const net = new Internet();
  net.addServer();
  const { primary, secondary } = net.serverCandidate(0);
  const servers = [
    { primary, secondary },
    { primary: secondary!, secondary: primary },
  ];
  for (const kind of [NAT_KINDS.portRestricted, NAT_KINDS.fullCone]) {
    const ports = new SimProbePorts(net, net.addNat(kind));
    const behaviour = await ports.run(measureNat({ servers, roundTripMs: 100 }, ports));
    expect(behaviour.filtering).toBe('unknown');
  }
});

test('a cone NAT is known for one though answers get lost', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const net = new Internet({ seed, conditions: { loss: 0.03 } });
    net.addServer();
    const ports = new SimProbePorts(net, net.addNat(NAT_KINDS.fullCone));
    const measurement = { servers: [net.serverCandidate(0)], roundTripMs: 100 };
    const { filtering } = await ports.run(measureNat(measurement, ports));
    expect(filtering, `seed ${seed}`).toBe('endpoint-independent');
  }
});

test('a NAT that counts: by how much', async () => {
  expect(await behaviourOf(NAT_KINDS.symmetricSequential)).toMatchObject({
    portStep: 1,
    portPreservation: 'no',
  });
  const stable = { ...NAT_KINDS.portRestricted, ports: 'sequential' } as const;
  expect(await behaviourOf(stable)).toMatchObject({
    mapping: 'endpoint-independent',
    portAllocation: 'counting',
    portPreservation: 'no',
  });
});

test('a lost datagram or two change nothing', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const net = new Internet({ seed, conditions: { loss: 0.02 } });
    net.addServer();
    const ports = new SimProbePorts(net, net.addNat(NAT_KINDS.symmetricSequential));
    const measurement = { servers: [net.serverCandidate(0)], roundTripMs: 100 };
    expect(await ports.run(measureNat(measurement, ports)), `seed ${seed}`).toMatchObject({
      mapping: 'address-dependent-or-stricter',
      filtering: 'address-dependent-or-stricter',
      portAllocation: 'counting',
      portStep: 1,
    });
  }
});

test('a mapping that depends on the address only looks the same: all servers have one port', async () => {
  const nat = { ...NAT_KINDS.symmetric, mapping: 'address-dependent' } as const;
  expect(await behaviourOf(nat)).toMatchObject({ mapping: 'address-dependent-or-stricter' });
});

test('a server of one address leaves nothing to compare; several of them do', async () => {
  const nat = NAT_KINDS.portRestricted;
  expect(await behaviourOf(nat, { single: true })).toMatchObject({
    mapping: 'unknown',
    filtering: 'unknown',
    seenFrom: ['198.51.100.1'],
  });
  expect(await behaviourOf(nat, { single: true, servers: 2 })).toMatchObject({
    mapping: 'endpoint-independent',
    filtering: 'unknown',
  });
  expect(await behaviourOf(NAT_KINDS.symmetric, { single: true, servers: 2 })).toMatchObject({
    mapping: 'address-dependent-or-stricter',
  });
});

test('a NAT that hairpins, and filters that too, shows how it filters', async () => {
  const of = async (kind: NatOptions): Promise<Partial<NatBehaviour>> => {
    const { hairpinning, filtering } = await behaviourOf({ ...kind, hairpinning: true });
    return { hairpinning, filtering };
  };
  expect(await of(NAT_KINDS.fullCone)).toEqual({ hairpinning: 'yes', filtering: 'endpoint-independent' });
  expect(await of(NAT_KINDS.addressRestricted)).toEqual({
    hairpinning: 'yes',
    filtering: 'address-dependent',
  });
  expect(await of(NAT_KINDS.portRestricted)).toEqual({
    hairpinning: 'yes',
    filtering: 'address-and-port-dependent',
  });
  expect(await of(NAT_KINDS.symmetric)).toEqual({
    hairpinning: 'unknown',
    filtering: 'address-dependent-or-stricter',
  });
});

test('a NAT that does not hairpin', async () => {
  expect(await behaviourOf(NAT_KINDS.portRestricted)).toMatchObject({ hairpinning: 'no' });
});

test('no NAT at all', async () => {
  expect(await behaviourOf(undefined)).toMatchObject({
    present: false,
    mapping: 'endpoint-independent',
    filtering: 'endpoint-independent',
    portAllocation: 'preserving',
  });
});

test('servers that have gone silent meanwhile: all unknown, in time', async () => {
  const net = new Internet();
  net.addServer().die();
  const ports = new SimProbePorts(net, net.addNat(NAT_KINDS.fullCone));
  const servers = [{ primary: 0xc6336401, secondary: 0xc6336402 }];
  const startedAt = net.world.now;
  expect(await ports.run(measureNat({ servers, roundTripMs: 10_000 }, ports))).toMatchObject({
    mapping: 'unknown',
    filtering: 'unknown',
    portAllocation: 'unknown',
    portPreservation: 'unknown',
    hairpinning: 'unknown',
    seenFrom: [],
    externalAddresses: [],
  });
  expect(net.world.now - startedAt).toBeLessThan(5_100);
});
