/** Names of figures. The rows of the bench add values under them, tables and targets read them. */
import type { Direction } from '../iperf.ts';
import type { LinkKind } from '../seats.ts';

/** Names of directions of packets through a relay. */
const THROUGH: Readonly<Record<Direction, string>> = { up: 'UDP to IPv6', down: 'IPv6 to UDP' };

export const tcpRate = (links: LinkKind, direction: Direction): string =>
  `${links}: TCP ${direction}, Mbit/s`;
export const tcpCost = (links: LinkKind, direction: Direction): string =>
  `${links}: TCP ${direction}, us a segment`;

export const udpRate = (size: number): string => `UDP up, ${size} octets, packets/s`;
export const udpCost = (size: number): string => `UDP up, ${size} octets, us a packet`;

export type RoundTripKind = 'cold' | 'warm' | 'loaded up' | 'loaded down';
export const roundTrip = (kind: RoundTripKind, share: 'p50' | 'p99'): string =>
  `round trip, ${kind}, ${share}, ms`;

export const relayRate = (direction: Direction): string => `relay, ${THROUGH[direction]}, packets/s`;
export const relayCost = (direction: Direction): string => `relay, ${THROUGH[direction]}, us a packet`;
export const relayProcess = (direction: Direction): string =>
  `relay, ${THROUGH[direction]}, us of its process a packet`;
/** With little of it, the figures would be those of the user path. */
export const relayCarried = (direction: Direction): string =>
  `relay, ${THROUGH[direction]}, share that the kernel carried`;

export const firstReply = (from: 'fromClient' | 'fromNative'): string =>
  `first reply to the first ping of a ${from === 'fromClient' ? 'client' : 'native host'}, ms`;

export const SERVER_COST = 'server, us an answer';
export const SERVER_RATE = 'server, share of solicitations answered';
/** Beside the sender, which takes a processor of its own. */
export const workersRate = (workers: number): string =>
  `server, ${workers} ${workers > 1 ? 'workers' : 'worker'}, answers/s beside the sender`;
export const workersCost = (workers: number): string =>
  `server, ${workers} ${workers > 1 ? 'workers' : 'worker'}, us of its busiest thread an answer of all`;
const WITH_PEERS = { up: 'from peers', down: 'to peers' } as const;
export const relayWorkersRate = (direction: Direction, workers: number): string =>
  `relay, ${workers} ${workers > 1 ? 'workers' : 'worker'}, ${THROUGH[direction]}, packets/s while nothing is sent`;
export const relayWorkersCost = (direction: Direction, workers: number): string =>
  `relay, ${workers} ${workers > 1 ? 'workers' : 'worker'}, ${THROUGH[direction]}, us of its busiest thread a packet of all`;
export const clientWorkersRate = (direction: Direction, workers: number): string =>
  `client, ${workers} ${workers > 1 ? 'workers' : 'worker'}, ${WITH_PEERS[direction]}, packets/s while nothing is sent`;
export const clientWorkersCost = (direction: Direction, workers: number): string =>
  `client, ${workers} ${workers > 1 ? 'workers' : 'worker'}, ${WITH_PEERS[direction]}, us of its busiest thread a packet of all`;
export const SERVER_PROGRAM = 'server program, ns a run';
/** The same with programs in the driver (XDP), where the null server is one, too. */
export const SERVER_DRIVER_COST = 'server, in the driver, us an answer';
export const SERVER_DRIVER_RATE = 'server, in the driver, share of solicitations answered';
export const SERVER_DRIVER_SHARE = 'server, in the driver, share of answers that it gave';
export const SERVER_DRIVER_PROGRAM = 'server program, in the driver, ns a run';

export const NEW_PEERS_RATE = 'relay, new peers/s';
export const NEW_PEERS_COST = 'relay, us a new peer';
export const NEW_PEERS_PROCESS = 'relay, us of its process a new peer';
export const NEW_PEERS_LIMITED = 'relay, new peers/s of one native host, default limits';

export const memoryOfPeer = (peers: number, what: string): string =>
  `relay, bytes a peer of ${peers}, ${what}`;
export const peersCost = (direction: Direction, peers: number): string =>
  `relay with ${peers} ${peers > 1 ? 'peers' : 'peer'}, ${THROUGH[direction]}, us a packet`;
export const peersCarried = (peers: number): string =>
  `relay with ${peers} ${peers > 1 ? 'peers' : 'peer'}, share that the kernel carried`;
/** In time of its thread, and in all time: the generators need both processors, too. */
export const GROWTH_STALL = 'relay, longest stall while it grows to 1000000 peers, ms';
export const GROWTH_WAIT = 'relay, the same with the time in which its thread waits for a processor, ms';
