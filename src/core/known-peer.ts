import type { Ipv4, Ipv6 } from '../wire/index.ts';

/** A trusted peer as one process of a role knows it, for the next one. Times: ms; -Infinity where it never happened. */
export interface KnownPeer {
  readonly address: Ipv6;
  readonly mappedAddress: Ipv4;
  readonly mappedPort: number;
  readonly lastReceived: number;
  readonly lastSent: number;
  /** Eight bits of further knowledge, which only the machine reads that wrote them. Default 0. */
  readonly marks?: number;
  /** It is trusted no more: earlier records of it do not hold. */
  readonly hasLeft?: boolean;
}
