import { takeOuterEcn } from '../../ecn.ts';
import { NO_PEER, TRUSTED } from '../../peer-table.ts';
import { SOURCE, isBubble } from '../../../wire/index.ts';
import type { DatagramView, Ipv4 } from '../../../wire/index.ts';
import type { ConnectivityTest } from '../ask/connectivity-test.ts';
import type { ClientContext } from '../context.ts';
import type { HeldPackets } from '../peers/held-packets.ts';
import type { PeerContacts } from '../peers/peer-contacts.ts';

interface Parts {
  readonly contacts: PeerContacts;
  readonly held: HeldPackets;
  readonly test: ConnectivityTest;
}

/** Delivers a packet, or drops it, once its sender is known, or is known to be a stranger. RFC 4380 section 5.2.3 */
export class Delivery {
  private readonly context: ClientContext;
  private readonly parts: Parts;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
  }

  accept(b: Uint8Array, view: DatagramView): void {
    const { counters, commands, peers } = this.context;
    if (isBubble(b, view.ipv6Start)) {
      counters.consumedBubbles++; // CL-52
      return;
    }
    if (!takeOuterEcn(b, view.ipv6Start, view.tos)) {
      counters.droppedEcn++; // N-8
      return;
    }
    counters.deliveredPackets++;
    peers.countReceived(peers.find(b, view.ipv6Start + SOURCE), view.ipv6End - view.ipv6Start);
    commands.deliver(b, view.ipv6Start, view.ipv6End);
  }

  /** A packet that its sender's relay at this pair has sent; `way`: FORWARDED where the server says that. A-25 */
  deliverUnverified(
    b: Uint8Array,
    view: DatagramView,
    address: Ipv4,
    port: number,
    now: number,
    way = 0,
  ): void {
    const { counters, options, peers } = this.context;
    const source = view.ipv6Start + SOURCE;
    const peer = peers.find(b, source);
    if (options.strictUnverified !== true) {
      // A peer for which packets of ours wait is no stranger.
      if (!this.parts.contacts.isKnown(peer))
        this.parts.contacts.noteStranger(b, view.ipv6Start, view.ipv6End, way + address, now);
      this.accept(b, view);
      return;
    }
    if (!takeOuterEcn(b, view.ipv6Start, view.tos)) {
      counters.droppedEcn++; // N-8
    } else if (peer !== NO_PEER && this.parts.test.isOpen(peer, now)) {
      this.parts.held.hold(peer, b, view.ipv6Start, view.ipv6End, address, port, now);
    } else counters.droppedUnverified++;
  }

  /** Tests a native source that has not proven itself, or speaks from elsewhere: by way of this IPv4 address. CL-124 */
  provoke(b: Uint8Array, source: number, known: number, via: number, now: number): void {
    const { context } = this;
    const { contacts } = this.parts;
    if (known !== NO_PEER && context.peers.status[known] === TRUSTED) {
      contacts.questionMoved(known, via, now); // CL-53
      return;
    }
    if (known !== NO_PEER && contacts.isUnderway(known)) return;
    if (contacts.mayCause(b, source, via, now)) contacts.begin(context.providePeer(b, source), via, now);
  }
}
