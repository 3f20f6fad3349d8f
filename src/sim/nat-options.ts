/** On what of the remote endpoint a NAT's behaviour depends. RFC 4787 sections 4.1 and 5. */
export type Dependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

/** How a NAT behaves. All axes are independent of each other. */
export interface NatOptions {
  /** For which destinations an internal endpoint keeps its external one. RFC 4787 section 4.1. */
  readonly mapping: Dependence;
  /** Who may send to an external endpoint, seen from where the internal one has sent to. RFC 4787 section 5. */
  readonly filtering: Dependence;
  /**
   * The external port of a new mapping. `preserving`: the internal port, or where that is taken the next one that is not;
   * `sequential`: counting up; `random`: any. RFC 4787 section 4.2.
   */
  readonly ports: 'preserving' | 'sequential' | 'random';
  /** How long a mapping lives when nothing refreshes it, ms. RFC 4787 section 4.3. */
  readonly lifetimeMs: number;
  /** Whether what comes from outside refreshes a mapping too; what goes out always does. RFC 4787 section 4.3. */
  readonly inboundRefresh: boolean;
  /** Whether a host inside reaches another one at its external endpoint; it then sees the sender's external endpoint. RFC 4787 section 6. */
  readonly hairpinning: boolean;
  /** External ports, both included. */
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

/** The usual kinds by their usual names (RFC 3489 section 5); `symmetricSequential` counts its ports up. */
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
