/**
 * The contract between a protocol machine and its driver.
 *
 *     driver                                   machine
 *       | -- handleDatagram / handlePacket /      |
 *       |    handleTimeout / a request ---------> |   (value, now) goes in,
 *       | <--------- commands.drain(executor) --- |   commands come out,
 *       | <------------------- pollTimeout() ---- |   then the next instant to wake up
 *
 * The drain rule: after every single input the driver drains all commands, then asks once for the next timeout.
 * A machine does no input or output, never waits and never reads a clock: `now` is an argument, in milliseconds of a
 * monotonic clock, and so is entropy. It does not throw for any input from a network.
 *
 * Buffers: an input's bytes belong to the driver and may be overwritten after the drain. The driver leaves at least
 * {@link HEADROOM} writable bytes before `start`, so that a header can be put in front without copying. Datagrams to a
 * client or relay are the exception: these put no header in front, and several datagrams may lie one after the other.
 * A command's bytes are valid until the next input.
 */
import type { CommandRing } from './commands.ts';
import type { LimitHits } from './limit-hits.ts';
import type { PeerTraffic } from './peer-traffic.ts';
import type { SocketId } from './socket-id.ts';
import type { Ipv6 } from '../wire/index.ts';

export type { SocketId } from './socket-id.ts';

/** Writable bytes that a driver guarantees before the start of every packet, and of every datagram to a server. */
export const HEADROOM = 64;

export interface Machine {
  /** The commands for the driver. Drained after every input. */
  readonly commands: CommandRing;
  /** Packets by verdict and reason. Counters never decrease. */
  readonly counters: Readonly<Record<string, number>>;
  /** The addresses and networks that have reached its limits. */
  readonly limitHits: LimitHits;

  /**
   * A UDP payload `buffer[start, end)` that arrived on `socket` from `address`:`port`, in an IPv4 packet with this TOS octet (0 unless given).
   * The machine may change the payload.
   */
  handleDatagram(
    socket: SocketId,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
    now: number,
    tos?: number,
  ): void;
  /** An IPv6 packet `buffer[start, end)` that the host wants sent through the tunnel. */
  handlePacket(buffer: Uint8Array, start: number, end: number, now: number): void;
  /** The instant that {@link pollTimeout} named has come. Calling it early or late is harmless. */
  handleTimeout(now: number): void;

  /**
   * A socket that the machine wanted with the event `socket-wanted` could not be opened. Called once the commands of that input are drained:
   * datagrams from the socket, and datagrams that name its port, were not sent.
   */
  socketFailed?(socket: SocketId, now: number): void;

  /** The instant (ms) of the next wanted {@link handleTimeout}; Infinity when there is none. */
  pollTimeout(): number;
}

/**
 * A machine whose trusted peers may be offloaded: the kernel path then carries their packets past it. The machine names the peers
 * (offload and unload commands) and gets reports of the packets carried. It works the same without a kernel path.
 */
export interface OffloadingMachine extends Machine {
  /**
   * Packets of the peer with the IPv6 address at `buffer[offset]` were carried: the last one from it at `receivedAt`,
   * the last one to it at `sentAt` (ms; -Infinity: none since the last report). `traffic`: the number of packets, if known.
   */
  handleCarried(
    buffer: Uint8Array,
    offset: number,
    receivedAt: number,
    sentAt: number,
    now: number,
    traffic?: PeerTraffic,
  ): void;
  /**
   * Of carried packets from and to native hosts of the /64 prefix at `buffer[offset]` so many tallies were made, each for OCTETS_PER_TALLY
   * octets (users/tallies.ts). Only for a relay.
   */
  handleTallies?(buffer: Uint8Array, offset: number, received: number, sent: number, now: number): void;
  /** Traffic of the peer with this IPv6 address: handled by the machine, or reported to it. Undefined: no such peer. */
  trafficOf(address: Ipv6): PeerTraffic | undefined;
  /** The kernel path has forgotten all peers: each peer is offered again with its next packet in either direction. */
  handleOffloadReset(now: number): void;
  /** A kernel path is available from now on, or no longer. */
  setOffload(on: boolean): void;
  /** Offers all valid peers, which a predecessor of this process has left, some at each step. */
  offerAll?(now: number): Iterable<void>;
}

/** A zeroed counter for each name: every reason is visible from the start, and the object keeps one shape. */
export function makeCounters<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
