/** SOCKS5 (RFC 1928) and its user and password (RFC 1929). */
import { readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts';
import { MORE, refused, whole } from './stream-piece.ts';
import type { Piece } from './stream-piece.ts';
import { hostOf, ipv6Host } from './proxy-target.ts';
import type { Target, TargetHost } from './proxy-target.ts';

export const SOCKS_VERSION = 5;
const CREDENTIALS_VERSION = 1;

/** RFC 1928 section 3. */
export const METHOD = { NONE: 0, CREDENTIALS: 2, NOT_ACCEPTABLE: 0xff } as const;

/** RFC 1928 section 4. */
export const COMMAND = { CONNECT: 1, BIND: 2, UDP_ASSOCIATE: 3 } as const;

/** RFC 1928 section 6. */
export const REPLY = {
  SUCCEEDED: 0,
  FAILED: 1,
  NOT_ALLOWED: 2,
  NETWORK_UNREACHABLE: 3,
  HOST_UNREACHABLE: 4,
  REFUSED: 5,
  COMMAND_UNKNOWN: 7,
  ADDRESS_TYPE_UNKNOWN: 8,
} as const;
export type Reply = (typeof REPLY)[keyof typeof REPLY];

const ADDRESS_TYPE = { IPV4: 1, NAME: 3, IPV6: 4 } as const;
/** Octets before the address: of a request and of a datagram. RFC 1928 sections 4, 7 */
const [REQUEST_HEAD, DATAGRAM_HEAD] = [3, 3];

export interface Credentials {
  readonly user: Uint8Array;
  readonly password: Uint8Array;
}

export interface SocksRequest {
  readonly command: number;
  readonly target: Target;
}

export interface SocksDatagram {
  /** 0: not a fragment. */
  readonly fragment: number;
  readonly target: Target;
  /** The place of the payload. */
  readonly at: number;
}

/** The methods that a client offers. RFC 1928 section 3 */
export function readMethods(b: Uint8Array): Piece<readonly number[]> {
  if (b.length > 0 && b[0] !== SOCKS_VERSION) return refused('version');
  if (b.length < 2) return MORE;
  const end = 2 + b[1]!;
  if (b[1] === 0) return refused('no-methods');
  return b.length < end ? MORE : whole([...b.subarray(2, end)], end);
}

export function writeMethod(method: number): Uint8Array {
  return Uint8Array.of(SOCKS_VERSION, method);
}

/** RFC 1929 section 2. */
export function readCredentials(b: Uint8Array): Piece<Credentials> {
  if (b.length > 0 && b[0] !== CREDENTIALS_VERSION) return refused('credentials-version');
  if (b.length < 2) return MORE;
  const userEnd = 2 + b[1]!;
  if (b.length <= userEnd) return MORE;
  const end = userEnd + 1 + b[userEnd]!;
  if (b.length < end) return MORE;
  return whole({ user: b.slice(2, userEnd), password: b.slice(userEnd + 1, end) }, end);
}

/** RFC 1929 section 2: any status but 0 is a failure. */
export function writeCredentialsAnswer(isRight: boolean): Uint8Array {
  return Uint8Array.of(CREDENTIALS_VERSION, isRight ? 0 : 1);
}

/** RFC 1928 section 4. */
export function readRequest(b: Uint8Array): Piece<SocksRequest> {
  if (b.length > 0 && b[0] !== SOCKS_VERSION) return refused('version');
  const target = readTarget(b, REQUEST_HEAD);
  return target.kind === 'whole' ? whole({ command: b[1]!, target: target.value }, target.length) : target;
}

/** RFC 1928 section 6. `from`: the address of the proxy's socket, else 0.0.0.0 port 0. */
export function writeReply(reply: Reply, from: Target = NOWHERE): Uint8Array {
  const b = new Uint8Array(REQUEST_HEAD + addressLength(from.host));
  b[0] = SOCKS_VERSION;
  b[1] = reply;
  writeAddress(b, REQUEST_HEAD, from);
  return b;
}

/** RFC 1928 section 7. Undefined: no such datagram, or its target cannot be one. */
export function readDatagram(b: Uint8Array): SocksDatagram | undefined {
  const target = readTarget(b, DATAGRAM_HEAD);
  if (target.kind !== 'whole' || b[0] !== 0 || b[1] !== 0) return undefined;
  return { fragment: b[2]!, target: target.value, at: target.length };
}

/** A datagram with this header. RFC 1928 section 7 */
export function writeDatagram(from: Target, payload: Uint8Array): Uint8Array {
  const head = DATAGRAM_HEAD + addressLength(from.host);
  const b = new Uint8Array(head + payload.length);
  writeAddress(b, DATAGRAM_HEAD, from);
  b.set(payload, head);
  return b;
}

const NOWHERE: Target = { host: { kind: 'ipv4', address: 0 }, port: 0 };

/** Address type, address and port. RFC 1928 section 5 */
function readTarget(b: Uint8Array, at: number): Piece<Target> {
  if (b.length <= at) return MORE;
  const [type, start] = [b[at], at + 1];
  if (type === ADDRESS_TYPE.NAME) return readNamedTarget(b, start);
  if (type !== ADDRESS_TYPE.IPV4 && type !== ADDRESS_TYPE.IPV6) return refused('address-type');
  const end = start + (type === ADDRESS_TYPE.IPV4 ? 4 : 16);
  if (b.length < end + 2) return MORE;
  const host: TargetHost =
    type === ADDRESS_TYPE.IPV4
      ? { kind: 'ipv4', address: readUint32(b, start) }
      : ipv6Host(b.slice(start, end));
  return whole({ host, port: readUint16(b, end) }, end + 2);
}

function readNamedTarget(b: Uint8Array, at: number): Piece<Target> {
  if (b.length <= at) return MORE;
  const [start, end] = [at + 1, at + 1 + b[at]!];
  if (b.length < end + 2) return MORE;
  const host = hostOf(String.fromCharCode(...b.subarray(start, end)));
  return host === undefined ? refused('name') : whole({ host, port: readUint16(b, end) }, end + 2);
}

/** Of type, address and port; an answer names no host by its name. */
function addressLength(host: TargetHost): number {
  return host.kind === 'ipv6' ? 19 : 7;
}

function writeAddress(b: Uint8Array, at: number, { host, port }: Target): void {
  const end = at + addressLength(host) - 2;
  b[at] = host.kind === 'ipv6' ? ADDRESS_TYPE.IPV6 : ADDRESS_TYPE.IPV4;
  if (host.kind === 'ipv6') b.set(host.address, at + 1);
  else writeUint32(b, at + 1, host.kind === 'ipv4' ? host.address : 0);
  writeUint16(b, end, port);
}
