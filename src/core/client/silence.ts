/**
 * The silence of all peers and of the server. This client sends packets to trusted peers: when nothing at all comes back, its NAT may have
 * lost the mapping. Maintenance then asks the server. RFC 4380 section 5.2.5, CL-85
 *
 * Example: at 10 s a packet goes to a peer, so the silence lasts since 10 s. At 11 s another peer is heard: it lasts since 11 s. At 14 s
 * maintenance asks the server: there is no silence until the next packet to a peer.
 */
export class Silence {
  private from = Infinity;
  private testsFrom = Infinity;
  private trafficAt = -Infinity;
  private wasReceived = false;

  /** When the silence began (ms); Infinity: there is none. */
  get since(): number {
    return this.from;
  }

  /** Since when peers for which packets are queued have not answered tests; Infinity: all have. */
  get testingSince(): number {
    return this.testsFrom;
  }

  /** When the last packet went to a trusted peer, or came from one; -Infinity: never. Bubbles and answers to tests do not count. */
  get lastTraffic(): number {
    return this.trafficAt;
  }

  /** Whether the last packet came from a peer. */
  get isLastReceived(): boolean {
    return this.wasReceived;
  }

  /** A packet goes to a trusted peer. */
  sent(now: number): void {
    if (this.from === Infinity) this.from = now;
    this.trafficAt = now;
    this.wasReceived = false;
  }

  /** A packet has come from a trusted peer. */
  received(at: number): void {
    if (at < this.trafficAt) return;
    this.trafficAt = at;
    this.wasReceived = true;
  }

  /** A trusted peer is heard. */
  heard(now: number): void {
    if (this.from !== Infinity) this.from = now;
    this.testsFrom = Infinity;
  }

  /** A test is sent to a peer from which nothing has come since `at`. */
  tested(at: number): void {
    this.testsFrom = Math.min(this.testsFrom, at);
  }

  /** The server was heard, or is asked now; or the service has ended. */
  reset(): void {
    this.from = this.testsFrom = Infinity;
  }

  /**
   * The peer of the last {@link heard} was heard by the kernel path, at `receivedAt`, and the report comes late. A packet from before the last
   * contact with the server leaves the silence as it was `before`; a later packet does not make it longer.
   */
  heardLate(receivedAt: number, before: number, lastServerContact: number): void {
    if (receivedAt < lastServerContact) this.from = before;
    else if (before !== Infinity) this.from = Math.max(before, receivedAt);
  }

  /** The kernel path has carried a packet to a trusted peer at `sentAt`. */
  sentLate(sentAt: number, lastServerContact: number): void {
    if (sentAt > this.trafficAt) {
      this.trafficAt = sentAt;
      this.wasReceived = false;
    }
    if (this.from === Infinity && sentAt >= lastServerContact) this.from = sentAt;
  }
}
