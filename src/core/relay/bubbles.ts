import { BUBBLE_HOP_LIMIT } from '../constants.ts';
import type { PaidFrom, Requester } from '../payments.ts';
import { DESTINATION, IPV6_HEADER, SOURCE, TEREDO_PORT, writeBubble } from '../../wire/index.ts';
import type { BubblePayment, Budgets } from './budgets.ts';
import type { RelayContext } from './context.ts';
import { SOCKET } from './options.ts';
import { Proofs } from './proofs.ts';

/** Bubbles in one allocation: one for each bubble costs several times as much as its content. A command's bytes stay until the next input. */
const PAGE_BYTES = 256 * IPV6_HEADER;

/** Sends a relay's bubbles to clients, within all budgets, and recognises the answers. */
export class Bubbles {
  private readonly context: RelayContext;
  private readonly budgets: Budgets;
  private readonly proofs: Proofs;
  private readonly source = new Uint8Array(16);
  private readonly destination = new Uint8Array(16);
  private page = new Uint8Array(0);
  private used = 0;

  constructor(context: RelayContext, budgets: Budgets) {
    this.context = context;
    this.budgets = budgets;
    this.proofs = new Proofs(context.entropy);
  }

  /**
   * Sends one bubble through the client's server and, if direct bubbles are on, one directly to the client. `source`: the part of the requester's
   * budget that has paid for it. Returns the whole payment; undefined: a limit forbids the bubble. The direct bubble is sent first: it
   * opens the relay's NAT before the answer to the other one can arrive.
   */
  send(
    peer: number,
    requester: Requester,
    source: PaidFrom | undefined,
    now: number,
  ): BubblePayment | undefined {
    const { peers, counters, commands, hits } = this.context;
    const mapped = peers.mappedAddress[peer];
    if (!peers.mayBubble(peer, now)) {
      counters.droppedBubbleBudget++;
      if (!peers.hasBubbleBudget(peer, now)) hits.ipv4('bubbles-to-peer', mapped);
      return undefined;
    }
    const server = peers.serverOf(peer);
    const from = this.budgets.takeServer(server, requester, now);
    if (from === undefined) {
      counters.droppedServerLimit++;
      hits.ipv4('by-server', server);
      return undefined;
    }
    peers.countBubble(peer, now);
    peers.writeAddress(peer, this.destination, 0);
    this.proofs.write(this.destination, 0, this.source, 0, now);
    const end = this.writeNext();
    const start = end - IPV6_HEADER;
    const isDirect = this.budgets.direct && this.budgets.takeClient(mapped, requester, now);
    if (this.budgets.direct && !isDirect) hits.ipv4('by-client', mapped);
    if (isDirect) {
      counters.bubblesSent++;
      commands.transmit(SOCKET.service, this.page, start, end, mapped, peers.mappedPort[peer]);
    }
    counters.bubblesSent++;
    commands.transmit(SOCKET.service, this.page, start, end, server, TEREDO_PORT);
    return { requester, source, from, isDirect, at: now };
  }

  /** Whether the bubble at `at` is addressed to the source of a bubble that the relay sent to this client. A-26 */
  isAnswer(buffer: Uint8Array, at: number, now: number): boolean {
    return this.proofs.holds(buffer, at + DESTINATION, at + SOURCE, now);
  }

  /** Writes the bubble into the page. Returns its end. */
  private writeNext(): number {
    if (this.used === this.page.length) {
      this.page = new Uint8Array(PAGE_BYTES);
      this.used = 0;
    }
    this.used = writeBubble(this.page, this.used, this.source, 0, this.destination, 0, BUBBLE_HOP_LIMIT);
    return this.used;
  }
}
