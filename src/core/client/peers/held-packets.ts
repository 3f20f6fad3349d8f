import type { Arrival } from '../../arrival.ts';
import { CONTACT_ATTEMPTS, CONTACT_TIMEOUT_MS } from '../../constants.ts';
import { SOURCE } from '../../../wire/index.ts';
import type { Endpoint } from '../../../wire/index.ts';
import type { ClientContext } from '../context.ts';

/** The part of the free room that a source with packets here may take: other sources find room for their first packets. */
const PART_OF_ROOM = 1 / 8;
/** The longest duration of a connectivity test. */
const HELD_MS = CONTACT_ATTEMPTS * CONTACT_TIMEOUT_MS;

interface Held {
  readonly packets: { readonly bytes: Uint8Array; readonly from: Endpoint }[];
  bytes: number;
  readonly until: number;
}

/**
 * Packets of native hosts that wait for the connectivity test of their source, if the user wants no packets of untested sources. Then only the
 * packets from the relay that answers the test are delivered: any other sender may have forged them. A-25
 */
export class HeldPackets {
  private readonly context: ClientContext;
  /** By peer. All are held for the same time, so the insertion order is the order in which they end. */
  private readonly held = new Map<number, Held>();
  private bytes = 0;

  constructor(context: ClientContext) {
    this.context = context;
  }

  /** Keeps a copy of a packet of the peer, as far as there is room. `from`: the relay that sent it. */
  hold(peer: number, { buffer, view, now }: Arrival, from: Endpoint): void {
    const { packetsPerPeer, bytesPerPeer, bytes } = this.context.limits.held;
    const { ipv6Start: start, ipv6End: end } = view;
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
      this.context.hits.ipv6('held', buffer, start + SOURCE);
      return;
    }
    if (known === undefined) this.held.set(peer, held);
    held.packets.push({ bytes: buffer.slice(start, end), from });
    held.bytes += length;
    this.bytes += length;
  }

  /** The peer is reached at this pair: packets from there are delivered. */
  release(peer: number, { address, port }: Endpoint): void {
    const { counters, commands, peers } = this.context;
    for (const { bytes, from } of this.take(peer)) {
      if (from.address === address && from.port === port) {
        counters.deliveredPackets++;
        peers.countReceived(peer, bytes.length);
        commands.deliver(bytes, 0, bytes.length);
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
