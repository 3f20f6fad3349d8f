import { SystemCallError } from '../errors.ts';
import { MOST_OFFERS, OFFER, OFFER_RESULT } from './layout.ts';
import type { PeerRoute } from './peer-map.ts';
import { TestRuns } from './test-run.ts';

const ETHERNET = 14;

export type OfferResult = (typeof OFFER_RESULT)[keyof typeof OFFER_RESULT];

/** Offers many peers to the kernel's table by one run of the program `offer`. */
export class OfferFrame {
  private readonly frame = new Uint8Array(ETHERNET + MOST_OFFERS * OFFER.SIZE);
  private readonly view = new DataView(this.frame.buffer, ETHERNET);
  private readonly runs: TestRuns;
  private count = 0;

  constructor(program: number) {
    this.runs = new TestRuns(program, this.frame.length);
  }

  get isFull(): boolean {
    return this.count === MOST_OFFERS;
  }

  /** `heardAt`: ns of CLOCK_MONOTONIC, and the same in units of 16 bits. */
  add(
    peer: Uint8Array,
    { address, port, localPort, uplink }: PeerRoute,
    heardAt: number,
    units: number,
  ): void {
    const { view } = this;
    const at = this.count++ * OFFER.SIZE;
    this.frame.set(peer, ETHERNET + at + OFFER.peer);
    view.setBigUint64(at + OFFER.lastReceived, BigInt(Math.max(0, Math.floor(heardAt))), true);
    view.setUint32(at + OFFER.address, address);
    view.setUint16(at + OFFER.port, port);
    view.setUint16(at + OFFER.localPort, localPort);
    view.setUint16(at + OFFER.socketHeard, units, true);
    view.setUint8(at + OFFER.uplink, uplink);
    view.setUint8(at + OFFER.result, OFFER_RESULT.refused);
  }

  /** Calls back with the result of each, in their order. */
  run(see: (at: number, result: OfferResult) => void): void {
    const { count } = this;
    this.count = 0;
    if (count === 0) return;
    const done = this.carryOut(ETHERNET + count * OFFER.SIZE);
    for (let i = 0; i < count; i++)
      see(i, (done?.[ETHERNET + i * OFFER.SIZE + OFFER.result] ?? OFFER_RESULT.refused) as OfferResult);
  }

  /** Undefined: the kernel has refused the run. */
  private carryOut(length: number): Uint8Array | undefined {
    try {
      return this.runs.run(this.frame.subarray(0, length)).frame;
    } catch (error) {
      if (error instanceof SystemCallError) return undefined; // no memory, or too many runs at once
      throw error;
    }
  }
}
