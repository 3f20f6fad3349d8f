import { equalBytes, readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts';
import type { Endpoint, Ipv4 } from './ipv4.ts';

const VERSION = 2;
const OPCODE_ANNOUNCE = 0;
const OPCODE_MAP = 1;
/** R bit. */
const RESPONSE = 0x80;
const UDP = 17;
/** RFC 6887 section 7: requests and responses have a header of the same size. */
const HEADER = 24;
/** RFC 6887 section 11.1: octets of the MAP data after the header. */
const MAP_LENGTH = 36;
/** RFC 6887 section 11.1. */
export const PCP_NONCE_LENGTH = 12;

export interface PcpMapRequest {
  /** The same in all requests for one mapping. */
  readonly nonce: Uint8Array;
  /** The address that the request is sent from. */
  readonly client: Ipv4;
  readonly internalPort: number;
  /** The external address and port that the client suggests; 0: no suggestion. */
  readonly external: Endpoint;
  /** 0 ends the mapping. RFC 6887 section 15 */
  readonly lifetimeSeconds: number;
}

export type PcpAnswer =
  /** `epochSeconds`: for how long the gateway has kept its mappings. RFC 6887 section 8.5 */
  | { readonly kind: 'announce'; readonly epochSeconds: number }
  | {
      readonly kind: 'mapping';
      readonly external: Endpoint;
      readonly lifetimeSeconds: number;
      readonly epochSeconds: number;
    }
  | { readonly kind: 'refused'; readonly resultCode: number };

/** Asks whether there is a PCP server. RFC 6887 section 14.1 */
export function buildPcpAnnounce(client: Ipv4): Uint8Array {
  return header(new Uint8Array(HEADER), OPCODE_ANNOUNCE, 0, client);
}

/** A mapping of a UDP port. RFC 6887 section 11.1 */
export function buildPcpMapRequest(request: PcpMapRequest): Uint8Array {
  const { nonce, client, internalPort, external, lifetimeSeconds } = request;
  const b = header(new Uint8Array(HEADER + MAP_LENGTH), OPCODE_MAP, lifetimeSeconds, client);
  b.set(nonce.subarray(0, PCP_NONCE_LENGTH), HEADER);
  b[HEADER + 12] = UDP;
  writeUint16(b, HEADER + 16, internalPort);
  writeUint16(b, HEADER + 18, external.port);
  writeIpv4Mapped(b, HEADER + 20, external.address);
  return b;
}

/** Undefined: neither an answer to an ANNOUNCE request nor an unsolicited one (section 14.1). RFC 6887 section 8.3 */
export function parsePcpAnnounceAnswer(b: Uint8Array): PcpAnswer | undefined {
  const resultCode = resultOf(b, OPCODE_ANNOUNCE);
  if (resultCode === undefined) return undefined;
  return resultCode === 0
    ? { kind: 'announce', epochSeconds: readUint32(b, 8) }
    : { kind: 'refused', resultCode };
}

/** Undefined: not an answer to this request. RFC 6887 sections 8.3, 11.4 */
export function parsePcpMapAnswer(b: Uint8Array, request: PcpMapRequest): PcpAnswer | undefined {
  const resultCode = resultOf(b, OPCODE_MAP);
  if (resultCode === undefined || b.length < HEADER + MAP_LENGTH) return undefined;
  const isOurs =
    equalBytes(b, HEADER, request.nonce, 0, PCP_NONCE_LENGTH) &&
    b[HEADER + 12] === UDP &&
    readUint16(b, HEADER + 16) === request.internalPort;
  if (!isOurs) return undefined;
  if (resultCode !== 0) return { kind: 'refused', resultCode };
  const address = readIpv4Mapped(b, HEADER + 20);
  if (address === undefined) return undefined;
  return {
    kind: 'mapping',
    external: { address, port: readUint16(b, HEADER + 18) },
    lifetimeSeconds: readUint32(b, 4),
    epochSeconds: readUint32(b, 8),
  };
}

function header(b: Uint8Array, opcode: number, lifetimeSeconds: number, client: Ipv4): Uint8Array {
  b[0] = VERSION;
  b[1] = opcode;
  writeUint32(b, 4, lifetimeSeconds);
  writeIpv4Mapped(b, 8, client);
  return b;
}

/** Undefined, too, for an answer in another version, by which a gateway says that it does not speak this one. RFC 6887 section 9 */
function resultOf(b: Uint8Array, opcode: number): number | undefined {
  if (b.length < HEADER || b.length % 4 !== 0 || b[0] !== VERSION || b[1] !== (RESPONSE | opcode))
    return undefined;
  return b[3];
}

/** ::ffff:0:0/96. */
function writeIpv4Mapped(b: Uint8Array, o: number, address: Ipv4): void {
  writeUint16(b, o + 10, 0xffff);
  writeUint32(b, o + 12, address);
}

function readIpv4Mapped(b: Uint8Array, o: number): Ipv4 | undefined {
  for (let i = 0; i < 10; i++) if (b[o + i] !== 0) return undefined;
  return readUint16(b, o + 10) === 0xffff ? readUint32(b, o + 12) : undefined;
}
