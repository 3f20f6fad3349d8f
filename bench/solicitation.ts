import {
  NEXT_HEADER,
  TEREDO_PORT,
  buildRouterSolicitation,
  internetChecksum,
  makeLinkLocal,
  writeUint16,
  writeUint32,
} from '../src/wire/index.ts';
import type { Ipv4 } from '../src/wire/index.ts';

/** A solicitation with an authentication header, as a client's datagram. */
export function makeSolicitation(): Uint8Array {
  const nonce = [0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0];
  const source = makeLinkLocal({ flags: 0, mappedPort: 40_000, mappedAddress: 0xc0a8_0102 });
  return Uint8Array.of(...nonce, ...buildRouterSolicitation(source));
}

/** The same as an Ethernet frame to a server. */
export function solicitationFrame(server: Ipv4): Uint8Array {
  const payload = makeSolicitation();
  const b = new Uint8Array(UDP + 8 + payload.length);
  b.set([8, 0], 12);
  b.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, NEXT_HEADER.UDP], IP);
  writeUint16(b, IP + 2, b.length - IP);
  writeUint32(b, IP + 12, CLIENT);
  writeUint32(b, IP + 16, server);
  writeUint16(b, IP + 10, internetChecksum(b, IP, UDP));
  writeUint16(b, UDP, 40_000);
  writeUint16(b, UDP + 2, TEREDO_PORT);
  writeUint16(b, UDP + 4, b.length - UDP);
  b.set(payload, UDP + 8);
  writeUint16(b, UDP + 6, udpChecksum(b));
  return b;
}

/** As that of a client's socket. */
function udpChecksum(frame: Uint8Array): number {
  const udp = frame.subarray(UDP);
  const pseudo = Uint8Array.of(
    ...frame.subarray(IP + 12, IP + 20),
    0,
    NEXT_HEADER.UDP,
    udp.length >> 8,
    udp.length,
  );
  return internetChecksum(Uint8Array.of(...pseudo, ...udp), 0, pseudo.length + udp.length) || 0xffff;
}

/** Offsets of the headers. */
const [IP, UDP] = [14, 34];
/** 9.9.9.9: public, so that it is answered. */
const CLIENT = 0x0909_0909;
