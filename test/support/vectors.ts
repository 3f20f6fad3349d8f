import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/wire/index.ts';

/** The worked examples of vectors.json: computed by a script, checked with tshark and openssl. */
interface Vectors {
  addresses: {
    server: string;
    flags: number;
    mappedIPv4: string;
    mappedPort: number;
    hex: string;
    text: string;
  }[];
  datagrams: {
    name: string;
    desc: string;
    outer: { src: string; sport: number; dst: string; dport: number };
    payload: string;
    parts: { name: string; hex: string }[];
  }[];
  hmac: { name: string; key_utf8: string; input: string; hmac_sha1: string }[];
}

export const vectors = JSON.parse(
  readFileSync(new URL('../vectors.json', import.meta.url), 'utf8'),
) as Vectors;

/** A fresh copy of the UDP payload of example `name`. */
export function payloadOf(name: string): Uint8Array {
  return bytesOf(vectors.datagrams.find((datagram) => datagram.name === name)!.payload);
}

/** Hex parts, joined. */
export function bytesOf(...parts: string[]): Uint8Array {
  return fromHex(parts.join(''))!;
}
