import type { Ipv4 } from '../../wire/index.ts';
import type { MapAnswer, PortMappingProtocol } from '../ports.ts';

/** What belongs to a mapping besides its port: of PCP the nonce, in hexadecimal digits. */
export interface MadeMapping {
  readonly protocol: PortMappingProtocol;
  readonly port: number;
  readonly nonce?: string | undefined;
}

/** What is said in one protocol by who is asked to map nothing. */
export interface Offer {
  /** Who says so: the gateway, or in UPnP somebody else on the link. */
  readonly by: Ipv4;
  /** Its address outside; 0.0.0.0: it has none. Undefined: the protocol does not tell it before there is a mapping. */
  readonly external?: Ipv4;
  /** This host may not ask. */
  readonly isRefused?: true;
}

/** One way of asking a gateway. No method rejects. */
export interface Protocol {
  readonly name: PortMappingProtocol;
  /** Whether there is a gateway that speaks it. */
  find(): Promise<boolean>;
  /** Without mapping anything; undefined where there is none that speaks it. */
  offer(): Promise<Offer | undefined>;
  /** What the gateway itself says, undefined where it does not: who else may answer is waited for by {@link find} only. */
  readonly asked: Promise<unknown>;
  /** Whether what the gateway has announced to all hosts says that it has begun anew, and has forgotten what it had mapped. */
  hasForgotten(announcement: Uint8Array): boolean;
  /** Makes the mapping, or renews it; once it was found. An address outside that can be none is the gateway's word, and to be released. */
  map(): Promise<MapAnswer>;
  /** What would have to be released, should this process come to a sudden end. */
  readonly made: MadeMapping;
  /** Whether the gateway has answered. */
  release(made: MadeMapping): Promise<boolean>;
}
