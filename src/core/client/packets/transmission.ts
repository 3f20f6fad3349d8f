import { DOUBT_MS, SILENCE_MS, TUNNEL_MTU } from '../../constants.ts';
import { NO_PEER } from '../../peer-table.ts';
import {
  CONE_FLAG,
  DESTINATION,
  IPV6_HEADER,
  SOURCE,
  checkIpv6,
  flagsOf,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isSourceRouted,
  isTeredo,
  isUnspecified,
  payloadLength,
} from '../../../wire/index.ts';
import type { Traversal } from '../traversal/index.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import type { LocalErrors } from '../peers/local-errors.ts';
import type { PeerContacts } from '../peers/peer-contacts.ts';

interface Parts {
  readonly bubbles: Bubbles;
  readonly contacts: PeerContacts;
  readonly errors: LocalErrors;
  readonly traversal: Traversal;
}

/** Packets that the host sends through the tunnel. RFC 4380 section 5.2.4 */
export class Transmission {
  private readonly context: ClientContext;
  private readonly parts: Parts;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
  }

  handlePacket(buffer: Uint8Array, start: number, end: number, now: number): void {
    const { context } = this;
    const { counters, peers } = context;
    counters.acceptedPackets++;
    if (checkIpv6(buffer, start, end) !== undefined) {
      counters.droppedMalformedPacket++;
      return;
    }
    if (context.qualified === undefined) {
      counters.droppedUnqualifiedOutbound++; // CL-4
      return;
    }
    if (!context.isOwn(buffer, start + SOURCE)) {
      counters.droppedForeignSource++; // CL-70
      return;
    }
    if (isSourceRouted(buffer, start)) {
      counters.droppedRoutingHeader++; // C-31
      return;
    }
    const packetEnd = start + IPV6_HEADER + payloadLength(buffer, start);
    if (packetEnd - start > TUNNEL_MTU) {
      counters.droppedTooBig++; // CL-71
      this.parts.errors.packetTooBig(buffer, start, packetEnd, now);
      return;
    }
    const peer = context.peers.find(buffer, start + DESTINATION);
    if (peer !== NO_PEER && peers.isValid(peer, now)) {
      context.offload.sent(peer);
      this.parts.contacts.send(peer, buffer, start, packetEnd, now); // case 1, CL-60, CL-61
      if (this.isToBeAsked(peer, now)) this.parts.contacts.question(peer, now);
      return;
    }
    this.reach(buffer, start, packetEnd, now);
  }

  /** Begins a contact for which no packet is queued; false: no contact with this address is possible. */
  contact(address: Uint8Array, now: number): boolean {
    const { context } = this;
    if (context.qualified === undefined || context.isOwn(address, 0) || !this.isRoutable(address, 0))
      return false;
    if (isTeredo(address, 0) && !this.parts.bubbles.isReachable(address, 0)) return false;
    const peer = context.providePeer(address, 0);
    if (isTeredo(address, 0)) this.parts.traversal.want(peer);
    if (!context.peers.isValid(peer, now)) this.parts.contacts.begin(peer, undefined, now);
    return true;
  }

  /** Another thread has sent a packet to the peer. */
  noteSentElsewhere(peer: number, now: number): void {
    if (this.context.peers.isValid(peer, now) && this.isToBeAsked(peer, now))
      this.parts.contacts.question(peer, now);
  }

  /** Whether a valid peer may no longer be reached. */
  private isToBeAsked(peer: number, now: number): boolean {
    const { contacts, traversal } = this.parts;
    const silence = now - this.context.peers.lastReceived.at(peer);
    if (silence >= SILENCE_MS || contacts.mayBeElsewhere(peer, now)) return true;
    return silence >= DOUBT_MS && traversal.isUnconfirmed(peer, now);
  }

  /** The peer is not valid, so the packet cannot be sent at once: cases 2 to 5. */
  private reach(buffer: Uint8Array, start: number, end: number, now: number): void {
    const { context } = this;
    const destination = start + DESTINATION;
    if (!this.isRoutable(buffer, destination) || context.isOwn(buffer, destination)) {
      context.counters.droppedUnroutable++; // CL-69, CL-8
      return;
    }
    if (isTeredo(buffer, destination)) {
      if (!this.parts.bubbles.isReachable(buffer, destination)) {
        context.counters.droppedNotGlobal++; // CL-66
        return;
      }
      if (context.options.legacyCone === true && (flagsOf(buffer, destination) & CONE_FLAG) !== 0) {
        this.parts.contacts.sendToCone(context.peers.find(buffer, destination), buffer, start, end); // case 4, CL-64
        return;
      }
    }
    const { contacts } = this.parts;
    const known = context.peers.find(buffer, destination);
    const fare = contacts.admit(known, buffer, start, end, now);
    if (fare === undefined) context.counters.droppedStrangerLimit++;
    else contacts.enqueue(context.providePeer(buffer, destination), fare, buffer.subarray(start, end), now);
  }

  private isRoutable(b: Uint8Array, o: number): boolean {
    return !isMulticast(b, o) && !isUnspecified(b, o) && !isLinkLocal(b, o) && !isLoopback(b, o);
  }
}
