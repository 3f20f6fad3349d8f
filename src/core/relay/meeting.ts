import type { Arrival } from '../arrival.ts';
import { takeOuterEcn } from '../ecn.ts';
import { FairShares } from '../fair-shares.ts';
import { NO_PEER } from '../peer-table.ts';
import { TokenBuckets } from '../token-buckets.ts';
import { DESTINATION, HOP_LIMIT, SOURCE, hopLimit } from '../../wire/index.ts';
import type { Contacting } from './contacting.ts';
import type { RelayContext } from './context.ts';
import type { Errors } from './errors.ts';

const BUCKETS = 4_096;
/** Weights of the levels: /16, /24 and address of a client. */
const WEIGHTS = [4, 4, 2];

/**
 * Relays packets between two clients whose NATs do not let them reach each other, as if the sender were a native host. Only if the
 * operator has switched it on (docs/adr/0017), and within limits of octets per second.
 */
export class Meeting {
  private readonly context: RelayContext;
  private readonly contacting: Contacting;
  private readonly errors: Errors;
  private readonly byClient: TokenBuckets;
  private readonly all: FairShares;

  constructor(context: RelayContext, contacting: Contacting, errors: Errors) {
    this.context = context;
    this.contacting = contacting;
    this.errors = errors;
    this.byClient = new TokenBuckets(context.limits.meeting, context.entropy, BUCKETS);
    this.all = new FairShares(context.limits.meetings, WEIGHTS, context.entropy);
  }

  /** Handles a packet between two Teredo addresses. `isClients`: it came from the address and port of the client that is its source. */
  handle(arrival: Arrival, isClients: boolean): void {
    const { peers, counters, users } = this.context;
    const { buffer: b, view, peer, now } = arrival;
    const { ipv6Start: at, ipv6End: end } = view;
    if (peer === NO_PEER || !peers.isValid(peer, now)) {
      this.contacting.invite(arrival); // the client has to prove its address first
    } else if (!isClients) {
      counters.droppedForgedSource++;
    } else if (!this.mayPass(peer, end - at, now)) {
      counters.droppedMeetingLimit++;
    } else {
      this.contacting.revive(peer, now);
      if (!takeOuterEcn(b, at, view.tos)) {
        counters.droppedEcn++; // N-8: the packet leaves one tunnel before it enters the other
      } else if (hopLimit(b, at) <= 1) {
        counters.droppedHopLimit++;
        const error = this.errors.timeExceeded(b, at, now);
        if (error !== undefined) this.contacting.sendError(peer, error, now);
      } else {
        b[at + HOP_LIMIT]--;
        peers.countReceived(peer, end - at);
        users.received(b, at, end - at, now);
        this.pass(b, at, end, now);
      }
    }
  }

  private mayPass(peer: number, bytes: number, now: number): boolean {
    const client = this.context.peers.mappedAddress[peer]!;
    const path = [client & 0xffff0000, client & 0xffffff00, client];
    const isOfClient = this.byClient.take(client, 0, now, bytes);
    if (isOfClient && this.all.take(0, path, now, bytes)) return true;
    this.context.hits.ipv4(isOfClient ? 'meetings' : 'meeting', client);
    return false;
  }

  private pass(b: Uint8Array, at: number, end: number, now: number): void {
    const { peers, counters } = this.context;
    counters.metPackets++;
    const other = peers.find(b, at + DESTINATION);
    const isSelf = other !== NO_PEER && other === peers.find(b, at + SOURCE);
    if (isSelf) counters.droppedLoop++;
    else if (other !== NO_PEER && peers.isValid(other, now)) this.contacting.send(other, b, at, end, now);
    else this.contacting.reach(other, b, at, end, now);
  }
}
