import type { PortMapping, PortMappingProtocol } from '../ports.ts';

/** What belongs to a mapping besides its port: of PCP the nonce, in hexadecimal digits. */
export interface MadeMapping {
  readonly protocol: PortMappingProtocol;
  readonly port: number;
  readonly nonce?: string | undefined;
}

/** One way of asking a gateway. No method rejects. */
export interface Protocol {
  readonly name: PortMappingProtocol;
  /** Whether there is a gateway that speaks it. */
  find(): Promise<boolean>;
  /** What the gateway itself says, undefined where it does not: who else may answer is waited for by {@link find} only. */
  readonly asked: Promise<unknown>;
  /** Makes the mapping, or renews it; once it was found. */
  map(): Promise<PortMapping | undefined>;
  /** What would have to be released, should this process come to a sudden end. */
  readonly made: MadeMapping;
  release(made: MadeMapping): Promise<void>;
}
