import { readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts';
import type { Ipv4 } from './ipv4.ts';

/** UDP port of NAT-PMP (RFC 6886 section 3.1) and of PCP (RFC 6887 section 19.1). */
export const PORT_MAPPING_PORT = 5351;

/** RFC 6886 section 3.2.1, RFC 6887 section 14.1: the group to which a gateway announces that it has restarted. */
export const ANNOUNCEMENT_GROUP = 0xe0000001; // 224.0.0.1
export const ANNOUNCEMENT_PORT = 5350;

const VERSION = 0;
const OPCODE = { EXTERNAL_ADDRESS: 0, MAP_UDP: 1 } as const;
/** Bit of the opcode that all messages from a gateway have set. */
const RESPONSE = 0x80;

export type NatPmpAnswer =
  /** `epochSeconds`: for how long the gateway has kept its mappings. RFC 6886 section 3.6 */
  | { readonly kind: 'external-address'; readonly address: Ipv4; readonly epochSeconds: number }
  | {
      readonly kind: 'mapping';
      readonly epochSeconds: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeSeconds: number;
    }
  | { readonly kind: 'refused'; readonly resultCode: number };

/** RFC 6886 section 3.2. */
export function buildNatPmpAddressRequest(): Uint8Array {
  return Uint8Array.of(VERSION, OPCODE.EXTERNAL_ADDRESS);
}

/** A UDP mapping; a lifetime of 0, with external port 0, ends it. RFC 6886 sections 3.3, 3.4 */
export function buildNatPmpMapRequest(
  internalPort: number,
  externalPort: number,
  lifetimeSeconds: number,
): Uint8Array {
  const b = new Uint8Array(12);
  b[0] = VERSION;
  b[1] = OPCODE.MAP_UDP;
  writeUint16(b, 4, internalPort);
  writeUint16(b, 6, externalPort);
  writeUint32(b, 8, lifetimeSeconds);
  return b;
}

/** Undefined: not an answer to one of these requests. An announcement has the format of an answer to an address request. */
export function parseNatPmpAnswer(b: Uint8Array): NatPmpAnswer | undefined {
  if (b.length < 4 || b[0] !== VERSION || (b[1] & RESPONSE) === 0) return undefined;
  const opcode = b[1] & ~RESPONSE;
  if (opcode !== OPCODE.EXTERNAL_ADDRESS && opcode !== OPCODE.MAP_UDP) return undefined;
  const resultCode = readUint16(b, 2);
  if (resultCode !== 0) return { kind: 'refused', resultCode };
  if (b.length < 12) return undefined;
  const epochSeconds = readUint32(b, 4);
  if (opcode === OPCODE.EXTERNAL_ADDRESS)
    return { kind: 'external-address', address: readUint32(b, 8), epochSeconds };
  if (b.length < 16) return undefined;
  return {
    kind: 'mapping',
    epochSeconds,
    internalPort: readUint16(b, 8),
    externalPort: readUint16(b, 10),
    lifetimeSeconds: readUint32(b, 12),
  };
}
