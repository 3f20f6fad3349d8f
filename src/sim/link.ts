import type { SeededEntropy } from './seeded-entropy.ts';
import type { World } from './world.ts';

/** The conditions of a link. All may be changed while the simulation runs. */
export interface LinkConditions {
  /** One way, ms. */
  delayMs: number;
  /** Additional delay of each packet, uniform from 0 to this. If it exceeds the spacing of packets, they are reordered. */
  jitterMs: number;
  /** Probabilities, 0 to 1. */
  loss: number;
  duplication: number;
  /** Octets of the largest IP packet; longer ones are dropped. */
  mtu: number;
  up: boolean;
}

export const PERFECT: Readonly<LinkConditions> = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  duplication: 0,
  mtu: Infinity,
  up: true,
};

/** A link with the same conditions in both directions. */
export class Link implements LinkConditions {
  delayMs: number;
  jitterMs: number;
  loss: number;
  duplication: number;
  mtu: number;
  up: boolean;
  readonly counters = { carried: 0, lost: 0, tooBig: 0, duplicated: 0 };
  private readonly world: World;
  private readonly entropy: SeededEntropy;

  constructor(world: World, conditions: Partial<LinkConditions> = {}) {
    const all = { ...PERFECT, ...conditions };
    this.delayMs = all.delayMs;
    this.jitterMs = all.jitterMs;
    this.loss = all.loss;
    this.duplication = all.duplication;
    this.mtu = all.mtu;
    this.up = all.up;
    this.world = world;
    this.entropy = world.newEntropy();
  }

  /**
   * Calls `arrive` when a packet of `size` octets reaches the other end: once, twice (duplicated) or never (lost), and always later than this call.
   */
  carry(size: number, arrive: () => void): void {
    if (!this.up || this.entropy.chance(this.loss)) {
      this.counters.lost++;
    } else if (size > this.mtu) {
      this.counters.tooBig++;
    } else {
      this.deliver(arrive);
      if (this.entropy.chance(this.duplication)) {
        this.counters.duplicated++;
        this.deliver(arrive);
      }
    }
  }

  private deliver(arrive: () => void): void {
    this.counters.carried++;
    const jitter = this.jitterMs > 0 ? this.entropy.unit() * this.jitterMs : 0;
    this.world.after(this.delayMs + jitter, arrive);
  }
}
