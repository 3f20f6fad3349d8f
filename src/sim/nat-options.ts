/** The part of the remote endpoint on which a NAT's behaviour depends. RFC 4787 sections 4.1 and 5. */
export type Dependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

/** The behaviour of a NAT. All axes are independent of each other. */
export interface NatOptions {
  /** The destinations for which an internal endpoint keeps its external one. RFC 4787 section 4.1. */
  readonly mapping: Dependence;
  /** The remote hosts that may send to an external endpoint, given those to which the internal one has sent. RFC 4787 section 5. */
  readonly filtering: Dependence;
  /**
   * The external port of a new mapping. `preserving`: the internal port, or the next free one if it is taken;
   * `sequential`: consecutive; `random`: any. RFC 4787 section 4.2.
   */
  readonly ports: 'preserving' | 'sequential' | 'random';
  /** Lifetime of a mapping that is not refreshed, ms. RFC 4787 section 4.3. */
  readonly lifetimeMs: number;
  /** Whether packets from outside refresh a mapping, too; packets from inside always do. RFC 4787 section 4.3. */
  readonly inboundRefresh: boolean;
  /** Whether inside hosts reach each other at their external endpoints; the receiver then sees the sender's external endpoint. RFC 4787 section 6. */
  readonly hairpinning: boolean;
  /** First and last external port. */
  readonly portRange: readonly [number, number];
}

const BASE: NatOptions = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  ports: 'preserving',
  lifetimeMs: 120_000,
  inboundRefresh: false,
  hairpinning: false,
  portRange: [1024, 65_535],
};

/** The usual kinds by their usual names (RFC 3489 section 5); `symmetricSequential` assigns consecutive ports. */
export const NAT_KINDS = {
  fullCone: { ...BASE, filtering: 'endpoint-independent' },
  addressRestricted: { ...BASE, filtering: 'address-dependent' },
  portRestricted: BASE,
  symmetric: { ...BASE, mapping: 'address-and-port-dependent', ports: 'random' },
  symmetricSequential: {
    ...BASE,
    mapping: 'address-and-port-dependent',
    ports: 'sequential',
    portRange: [40_000, 65_535],
  },
} as const satisfies Record<string, NatOptions>;

export type NatKindName = keyof typeof NAT_KINDS;
