import type { Arrival } from '../../arrival.ts';
import { takeOuterEcn } from '../../ecn.ts';
import { NO_PEER, TRUSTED } from '../../peer-table.ts';
import { SOURCE, isBubble } from '../../../wire/index.ts';
import type { Endpoint } from '../../../wire/index.ts';
import type { ConnectivityTest } from '../ask/connectivity-test.ts';
import type { ClientContext } from '../context.ts';
import type { HeldPackets } from '../peers/held-packets.ts';
import type { PeerContacts } from '../peers/peer-contacts.ts';
import { FORWARDED } from '../peers/stranger-budget.ts';

interface Parts {
  readonly contacts: PeerContacts;
  readonly held: HeldPackets;
  readonly test: ConnectivityTest;
}

/** Delivers packets to the host, or drops them, after it is clear whether the sender is trusted. RFC 4380 section 5.2.3 */
export class Delivery {
  private readonly context: ClientContext;
  private readonly parts: Parts;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
  }

  accept({ buffer: b, view }: Arrival): void {
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

  /** A packet of a source that has not proven itself. `isForwarded`: our server has forwarded it; otherwise it came straight from a relay. A-25 */
  deliverUnverified(arrival: Arrival, isForwarded = false): void {
    const { counters, options, peers } = this.context;
    const { buffer: b, view, now } = arrival;
    const peer = peers.find(b, view.ipv6Start + SOURCE);
    if (options.strictUnverified !== true) {
      // A peer for which packets are queued is not a stranger.
      if (!this.parts.contacts.isKnown(peer))
        this.parts.contacts.noteStranger(b, view.ipv6Start, view.ipv6End, viaOf(arrival, isForwarded), now);
      this.accept(arrival);
      return;
    }
    if (!takeOuterEcn(b, view.ipv6Start, view.tos)) {
      counters.droppedEcn++; // N-8
    } else if (peer !== NO_PEER && this.parts.test.isOpen(peer, now)) {
      this.parts.held.hold(peer, arrival, relayOf(arrival, isForwarded));
    } else counters.droppedUnverified++;
  }

  /** Tests a native source that has not proven itself, or that sends from another pair than before. CL-124 */
  provoke(arrival: Arrival, isForwarded = false): void {
    const { context } = this;
    const { contacts } = this.parts;
    const { buffer: b, view, peer: known, now } = arrival;
    const source = view.ipv6Start + SOURCE;
    if (this.parts.test.isError(b, view.ipv6Start, view.ipv6End)) return;
    const via = viaOf(arrival, isForwarded);
    if (known !== NO_PEER && context.peers.status[known] === TRUSTED) {
      contacts.questionMoved(known, via, now); // CL-53
      return;
    }
    if (known !== NO_PEER && contacts.isUnderway(known)) return;
    if (contacts.mayCause(b, source, via, now)) contacts.begin(context.providePeer(b, source), via, now);
  }
}

/** The relay that sent the datagram: its outer source, or the origin that our server names. */
function relayOf({ view, address, port }: Arrival, isForwarded: boolean): Endpoint {
  return isForwarded ? { address: view.originAddress, port: view.originPort } : { address, port };
}

/** The relay's address, marked if only our server names it. */
function viaOf({ view, address }: Arrival, isForwarded: boolean): number {
  return isForwarded ? FORWARDED + view.originAddress : address;
}
