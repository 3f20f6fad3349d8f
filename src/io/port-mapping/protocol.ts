import type { Ipv4 } from '../../wire/index.ts';
import type { MapAnswer, PortMappingProtocol } from '../ports.ts';

/** Data of a mapping in addition to its port. For PCP the nonce, in hexadecimal digits. */
export interface MadeMapping {
  readonly protocol: PortMappingProtocol;
  readonly port: number;
  readonly nonce?: string | undefined;
}

/** The answer in one protocol to a request that maps nothing. */
export interface Offer {
  /** The host that answered: the gateway, or in UPnP possibly another host on the link. */
  readonly by: Ipv4;
  /** The gateway's external address; 0.0.0.0: it has none. Undefined: the protocol reports it only with a mapping. */
  readonly external?: Ipv4;
  /** The gateway does not permit requests from this host. */
  readonly isRefused?: true;
}

/** One protocol for asking a gateway. No method rejects. */
export interface Protocol {
  readonly name: PortMappingProtocol;
  /** Whether a gateway speaks it. */
  find(): Promise<boolean>;
  /** Asks without mapping anything; undefined if no gateway speaks the protocol. */
  offer(): Promise<Offer | undefined>;
  /** The answer of the gateway itself; undefined if it does not answer. Only {@link find} waits for other hosts. */
  readonly asked: Promise<unknown>;
  /** Whether an announcement of the gateway to all hosts shows that it has restarted, and lost its mappings. */
  hasForgotten(announcement: Uint8Array): boolean;
  /**
   * Makes or renews the mapping, after a successful {@link find}. The result may hold an external address that cannot be used; such a
   * mapping has to be released.
   */
  map(): Promise<MapAnswer>;
  /** The mapping that would have to be released if this process ended suddenly. */
  readonly made: MadeMapping;
  /** Whether the gateway has answered. */
  release(made: MadeMapping): Promise<boolean>;
}
