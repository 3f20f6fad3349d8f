import { CONTACT_ATTEMPTS, CONTACT_TIMEOUT_MS } from '../../constants.ts';
import { SOURCE } from '../../../wire/index.ts';
import type { Ipv4 } from '../../../wire/index.ts';
import type { ClientContext } from '../context.ts';

/** A source that has a packet here may have so much of the room that is left: others find room for their first ones. */
const PART_OF_ROOM = 1 / 8;
/** As long as a connectivity test may take. */
const HELD_MS = CONTACT_ATTEMPTS * CONTACT_TIMEOUT_MS;

interface Held {
  readonly packets: { readonly bytes: Uint8Array; readonly address: Ipv4; readonly port: number }[];
  bytes: number;
  readonly until: number;
}

/**
 * Packets of native hosts that wait until the connectivity test of their source has succeeded, where they are not to be
 * delivered before. Only what came from the very relay that answers the test is then delivered: others may forge. A-25
 */
export class HeldPackets {
  private readonly context: ClientContext;
  /** By peer. All are held equally long, so insertion order is the order in which they end. */
  private readonly held = new Map<number, Held>();
  private bytes = 0;

  constructor(context: ClientContext) {
    this.context = context;
  }

  /** Keeps a copy of `b[start, end)`, which came from this pair, as far as there is room. */
  hold(
    peer: number,
    b: Uint8Array,
    start: number,
    end: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { packetsPerPeer, bytesPerPeer, bytes } = this.context.limits.held;
    const length = end - start;
    const known = this.held.get(peer);
    const held = known ?? { packets: [], bytes: 0, until: now + HELD_MS };
    if (
      held.packets.length >= packetsPerPeer ||
      held.bytes + length > bytesPerPeer ||
      this.bytes + length > bytes ||
      (known !== undefined && held.bytes + length > PART_OF_ROOM * (bytes - this.bytes))
    ) {
      this.context.counters.droppedUnverified++;
      this.context.hits.ipv6('held', b, start + SOURCE);
      return;
    }
    if (known === undefined) this.held.set(peer, held);
    held.packets.push({ bytes: b.slice(start, end), address, port });
    held.bytes += length;
    this.bytes += length;
  }

  /** The peer is reached at this pair: what came from there is good. */
  release(peer: number, address: Ipv4, port: number): void {
    const { counters, commands, peers } = this.context;
    for (const packet of this.take(peer)) {
      if (packet.address === address && packet.port === port) {
        counters.deliveredPackets++;
        peers.countReceived(peer, packet.bytes.length);
        commands.deliver(packet.bytes, 0, packet.bytes.length);
      } else counters.droppedUnverified++;
    }
  }

  /** The peer is about to be forgotten. */
  drop(peer: number): void {
    this.context.counters.droppedUnverified += this.take(peer).length;
  }

  handleTimeout(now: number): void {
    for (const [peer, { until }] of this.held) {
      if (until > now) return;
      this.drop(peer);
    }
  }

  pollTimeout(): number {
    for (const { until } of this.held.values()) return until;
    return Infinity;
  }

  private take(peer: number): Held['packets'] {
    const held = this.held.get(peer);
    if (held === undefined) return [];
    this.held.delete(peer);
    this.bytes -= held.bytes;
    return held.packets;
  }
}
