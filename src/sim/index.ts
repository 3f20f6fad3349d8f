/** The internet in memory: a virtual clock, seeded randomness, hosts, links, NATs, and the machines in them. */
export type { ScheduledEvent } from './event-queue.ts';
export { Internet } from './internet.ts';
export type {
  AddClientOptions,
  AddServerOptions,
  HostRelay,
  InternetOptions,
  RelaySite,
} from './internet.ts';
export { Ipv4Host } from './ipv4-host.ts';
export type { UdpHandler, UdpSocket } from './ipv4-host.ts';
export type { Attachment, DatagramHandler, Ipv4Datagram, Ipv4Network } from './ipv4-network.ts';
export type { Ipv6Host, Ping, PingOptions, ReceivedError } from './ipv6-host.ts';
export type { PacketHandler } from './ipv6-link.ts';
export type { Ipv6Router } from './ipv6-router.ts';
export type { Udp6Datagram } from './ipv6-udp.ts';
export type { LinkConditions } from './link.ts';
export type { MachineNode } from './machine-node.ts';
export type { Nat } from './nat.ts';
export { NAT_KINDS } from './nat-options.ts';
export type { Dependence, NatKindName, NatOptions } from './nat-options.ts';
export { tryNeighbours, tryPair } from './nat-pair.ts';
export type { PairOptions, PairOutcome } from './nat-pair.ts';
export { Capture } from './pcap.ts';
export { SeededEntropy } from './seeded-entropy.ts';
export type { SimClient, SimClientOptions } from './sim-client.ts';
export type { SimRelay, SimRelayOptions } from './sim-relay.ts';
export type { SimServer } from './sim-server.ts';
export { LiveLockError } from './world.ts';
export type { World, WorldOptions } from './world.ts';
