/** Sends and receives packets between a crowd of clients and a native host. */
import { RawIpv6Socket } from '../src/linux/raw-ipv6.ts';
import { SendQueue } from '../src/linux/send-queue.ts';
import { AF_INET, SOCK_RAW, openSocket } from '../src/linux/socket.ts';
import { NEXT_HEADER, parseIpv6, transportChecksum, writeUint16, writeUint32 } from '../src/wire/index.ts';
import type { Ipv6 } from '../src/wire/index.ts';
import {
  CLIENT_PORT,
  NATIVE,
  PLAIN,
  RELAY,
  RELAY_PORT,
  mappedAddress,
  teredoAddress,
} from './crowd-addresses.ts';
import { makeUdpPacket } from './packets.ts';

export const BURST = 32;
/** IPPROTO_RAW: the packet contains its own IPv4 header. */
const RAW = 255;
const OUTSIDE = 28;
const PAYLOAD = 48;
/** Offset of the last word of the addresses in an IPv6 header. */
const [SOURCE_END, DESTINATION_END] = [20, 36];

export interface PacketSender {
  add(client: number): void;
  flush(): void;
}

/** What packets do: `down` from the native host to clients, `up` back, both by a relay; the other two the same as plain IPv6. */
export type Way = 'up' | 'down' | 'plain-up' | 'plain-down';

/** `size`: of the IPv6 packet. `host`: at the other end. */
export function openSender(way: Way, size: number, host: string): PacketSender {
  if (way === 'up') return openUp(size, parseIpv6(host)!);
  if (way === 'down') return openRaw(makePacket(parseIpv6(host)!, teredoAddress(0), size), size);
  const [from, to] = way === 'plain-up' ? [PLAIN.crowd, PLAIN.toNative] : [NATIVE, PLAIN.toClients];
  const sender = openRaw(makeUdpPacket(parseIpv6(from)!, parseIpv6(`${to}1`)!, size), size);
  return { ...sender, add: () => sender.add(undefined) };
}

/** Sends from the native host; to a client, unless that is undefined. */
function openRaw(packet: Uint8Array, size: number): { add(client: number | undefined): void; flush(): void } {
  const socket = new RawIpv6Socket();
  return {
    add: (client) => {
      if (client !== undefined) setClient(packet, 0, DESTINATION_END, client);
      socket.send(packet, 0, size);
    },
    flush: () => {},
  };
}

/** Sends from clients to a host behind the relay, or behind the client under test. */
function openUp(size: number, host: Ipv6): PacketSender {
  const inner = makePacket(teredoAddress(0), host, size);
  const packet = new Uint8Array(OUTSIDE + size);
  packet.set(inner, OUTSIDE);
  // The kernel fills in length and checksum of the IPv4 header. It would also fill in an identification of 0, which takes longer the more
  // clients there are. UDP has no checksum.
  packet.set([0x45, 0, 0, 0, 0, 1, 0, 0, 64, NEXT_HEADER.UDP]);
  writeUint32(packet, 16, RELAY);
  writeUint16(packet, 20, CLIENT_PORT);
  writeUint16(packet, 22, RELAY_PORT);
  writeUint16(packet, 24, 8 + size);
  const counters = { sentDatagrams: 0, sentBytes: 0, sendFailures: {} };
  const queue = new SendQueue(openSocket(AF_INET, SOCK_RAW, RAW), BURST, counters);
  return {
    add: (client) => {
      writeUint32(packet, 12, mappedAddress(client));
      setClient(packet, OUTSIDE, SOURCE_END, client);
      queue.add(packet, 0, packet.length, RELAY, RELAY_PORT);
      // One by one, as openRaw sends. A raw socket cannot send runs, which the queue would make of large packets.
      queue.flush();
    },
    flush: () => {},
  };
}

function makePacket(source: Ipv6, destination: Ipv6, size: number): Uint8Array {
  const packet = makeUdpPacket(source, destination, size);
  finish(packet);
  return packet;
}

/** Gives the packet a checksum that is right for all clients. */
function finish(packet: Uint8Array): void {
  writeUint32(packet, PAYLOAD, mappedAddress(0));
  writeUint16(packet, 46, 0);
  writeUint16(packet, 46, transportChecksum(packet, 0, NEXT_HEADER.UDP, 40, packet.length));
}

/**
 * A mapped address is inverted in a Teredo address. With the address itself in the payload the sum of the two is the same for all clients.
 */
function setClient(b: Uint8Array, start: number, at: number, client: number): void {
  const mapped = mappedAddress(client);
  writeUint32(b, start + at, ~mapped >>> 0);
  writeUint32(b, start + PAYLOAD, mapped);
}
