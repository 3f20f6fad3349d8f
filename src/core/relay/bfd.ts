import { randomBetween, randomUint32 } from '../entropy.ts';
import { BFD_STATE, DESTINATION, buildBfd, equalBytes, readBfd } from '../../wire/index.ts';
import type { BfdPacket, BfdState, Ipv6 } from '../../wire/index.ts';
import type { RelayContext } from './context.ts';

/** The time between two packets of a session, and the number of packets after which the neighbour counts this process as lost: together 180 ms. */
const INTERVAL_US = 30_000;
const MULTIPLIER = 6;
/** The same until both sides are up. RFC 5880 section 6.8.3 */
const SLOW_US = 1_000_000;
/** A neighbour that was not heard for this time gets no more packets. Its own may be lost where the interface's queue is full. */
const SILENCE_MS = 5_000;
/** The most neighbours that get packets in turn. Any user of the host can seem to be one. */
const MOST = 4;

/** A neighbour whose session is up, by its packets. */
interface Neighbour {
  readonly address: Ipv6;
  readonly number: number;
  readonly intervalMs: number;
  readonly heardAt: number;
  /** Of the next packet. */
  at: number;
  /** The neighbour has not confirmed the shorter interval yet. */
  polls: boolean;
}

/**
 * Answers a routing daemon of this host that asks by BFD whether the process works (RFC 5880, RFC 5881; docs/adr/0027). The daemon begins. No state
 * is kept that would be needed for an answer: only the times of the packets that are sent in turn, while the daemon is heard.
 */
export class Bfd {
  private readonly context: RelayContext;
  private readonly address: Ipv6;
  private readonly number: number;
  /** By number; the latest heard comes last. */
  private readonly neighbours = new Map<number, Neighbour>();
  /** While the relay starts, no packet is answered. */
  private state: 'starting' | 'running' | 'withdrawn' = 'starting';

  /** `address`: the link-local address that answers. */
  constructor(context: RelayContext, address: Ipv6) {
    this.context = context;
    this.address = address;
    this.number = Math.max(1, randomUint32(context.entropy));
  }

  /** The (whole) packet at `start`. False if it is not for this address. */
  handle(buffer: Uint8Array, start: number, now: number): boolean {
    if (!equalBytes(buffer, start + DESTINATION, this.address, 0, 16)) return false;
    const packet = readBfd(buffer, start);
    if (packet === undefined || (packet.yours !== 0 && packet.yours !== this.number)) return false;
    this.context.counters.bfdReceived++;
    if (this.state === 'starting') return true;
    if (packet.state <= BFD_STATE.down) this.neighbours.delete(packet.mine);
    if (packet.state === BFD_STATE.adminDown) return true;
    if (packet.state === BFD_STATE.down) this.send(packet.source, packet.mine, BFD_STATE.init);
    else this.hear(packet, now);
    return true;
  }

  /** The relay runs: it may be used. */
  begin(): void {
    if (this.state === 'starting') this.state = 'running';
  }

  /** The neighbours learn that this relay is not to be used any more. */
  withdraw(now: number): void {
    this.state = 'withdrawn';
    for (const neighbour of this.neighbours.values()) neighbour.at = now;
    this.handleTimeout(now);
  }

  handleTimeout(now: number): void {
    for (const neighbour of this.neighbours.values()) {
      if (now - neighbour.heardAt > SILENCE_MS) this.neighbours.delete(neighbour.number);
      else if (now >= neighbour.at) this.sendInTurn(neighbour, now);
    }
  }

  pollTimeout(): number {
    let earliest = Infinity;
    for (const { at } of this.neighbours.values()) earliest = Math.min(earliest, at);
    return earliest;
  }

  private hear(packet: BfdPacket, now: number): void {
    const { source, mine, requiredMinRx, poll, final } = packet;
    const known = this.neighbours.get(mine);
    this.neighbours.delete(mine);
    if (poll || requiredMinRx === 0) this.send(source, mine, BFD_STATE.up, { final: poll });
    if (requiredMinRx === 0) return;
    const neighbour: Neighbour = {
      address: source,
      number: mine,
      intervalMs: Math.max(INTERVAL_US, requiredMinRx) / 1_000,
      heardAt: now,
      at: known?.at ?? now,
      polls: (known?.polls ?? true) && !final,
    };
    this.neighbours.set(mine, neighbour);
    const [oldest] = this.neighbours.keys();
    if (this.neighbours.size > MOST) this.neighbours.delete(oldest!);
    if (now >= neighbour.at) this.sendInTurn(neighbour, now);
  }

  private sendInTurn(neighbour: Neighbour, now: number): void {
    const { address, number, polls, intervalMs } = neighbour;
    this.send(address, number, BFD_STATE.up, { poll: polls });
    // RFC 5880 section 6.8.7
    neighbour.at = now + randomBetween(this.context.entropy, 0.75, 1) * intervalMs;
  }

  private send(
    destination: Ipv6,
    yours: number,
    state: BfdState,
    { poll = false, final = false }: { readonly poll?: boolean; readonly final?: boolean } = {},
  ): void {
    const packet = buildBfd({
      source: this.address,
      destination,
      state: this.state === 'withdrawn' ? BFD_STATE.adminDown : state,
      poll: poll && !final,
      final,
      multiplier: MULTIPLIER,
      mine: this.number,
      yours,
      desiredMinTx: state === BFD_STATE.up ? INTERVAL_US : SLOW_US,
      requiredMinRx: INTERVAL_US,
    });
    this.context.counters.bfdSent++;
    this.context.commands.deliver(packet, 0, packet.length);
  }
}
