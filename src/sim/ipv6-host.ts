import {
  DESTINATION,
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  buildEchoReply,
  buildEchoRequest,
  checkIcmpv6,
  checkIpv6,
  echoData,
  equalBytes,
  hopLimit,
  icmpv6Code,
  icmpv6Type,
  nextHeader,
  payloadLength,
  readUint16,
} from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import type { PacketHandler } from './ipv6-link.ts';
import { buildUdp6, parseUdp6 } from './ipv6-udp.ts';
import type { Udp6Datagram } from './ipv6-udp.ts';
import type { World } from './world.ts';

/** One echo request and its result. Times are ms of the world's clock. */
export interface Ping {
  readonly sentAt: number;
  repliedAt: number | undefined;
  /** Hop limit of the reply. */
  hopLimit: number | undefined;
  /** Number of replies: more than one if the network duplicates packets. */
  replies: number;
}

export interface ReceivedError {
  readonly type: number;
  readonly code: number;
  readonly from: Ipv6;
  readonly at: number;
}

export interface PingOptions {
  /** Octets of data. */
  readonly size?: number;
  readonly hopLimit?: number;
  readonly source?: Ipv6;
}

/** A small IPv6 host: answers and sends pings, has UDP ports, records ICMPv6 errors. */
export class Ipv6Host {
  readonly addresses: Ipv6[] = [];
  readonly errors: ReceivedError[] = [];
  readonly counters = { sent: 0, received: 0, malformed: 0, notOurs: 0, noPort: 0 };
  /** Called with every packet that this host sends. */
  readonly sendTaps: PacketHandler[] = [];
  /** Called with every packet that reaches this host, before any check. */
  readonly receiveTaps: PacketHandler[] = [];
  /** Takes the packets that this host sends. */
  output: PacketHandler = () => {};
  private readonly world: World;
  private readonly pings = new Map<number, Ping>();
  private readonly ports = new Map<number, (datagram: Udp6Datagram) => void>();
  private nextPing = 0;

  constructor(world: World, ...addresses: Ipv6[]) {
    this.world = world;
    this.addresses.push(...addresses);
  }

  /** Its first address. Throws a RangeError if it has none. */
  get address(): Ipv6 {
    const first = this.addresses[0];
    if (first === undefined) throw new RangeError('the host has no IPv6 address');
    return first;
  }

  /** Sends an echo request and returns at once. The {@link Ping} is filled in when replies or errors arrive. */
  ping(destination: Ipv6, options: PingOptions = {}): Ping {
    const number = this.nextPing++;
    const ping: Ping = { sentAt: this.world.now, repliedAt: undefined, hopLimit: undefined, replies: 0 };
    this.pings.set(number, ping);
    this.send(
      buildEchoRequest({
        source: options.source ?? this.address,
        destination,
        hopLimit: options.hopLimit ?? 64,
        identifier: number >>> 16,
        sequence: number & 0xffff,
        data: new Uint8Array(options.size ?? 56),
      }),
    );
    return ping;
  }

  /** Listens on a UDP port. */
  listen(port: number, handler: (datagram: Udp6Datagram) => void): void {
    this.ports.set(port, handler);
  }

  /** Returns every datagram to a UDP port to its sender (RFC 862). */
  echoUdp(port = 7): void {
    this.listen(port, (datagram) => {
      const { source, destination, sourcePort, destinationPort, payload } = datagram;
      this.sendUdp({
        source: destination,
        destination: source,
        sourcePort: destinationPort,
        destinationPort: sourcePort,
        payload,
      });
    });
  }

  sendUdp(datagram: Omit<Udp6Datagram, 'source'> & { readonly source?: Ipv6 }): void {
    this.send(buildUdp6({ ...datagram, source: datagram.source ?? this.address }));
  }

  send(packet: Uint8Array): void {
    this.counters.sent++;
    for (const tap of this.sendTaps) tap(packet);
    this.output(packet);
  }

  readonly receive: PacketHandler = (packet) => {
    for (const tap of this.receiveTaps) tap(packet);
    if (checkIpv6(packet, 0, packet.length) !== undefined) {
      this.counters.malformed++;
    } else if (!this.addresses.some((address) => equalBytes(address, 0, packet, DESTINATION, 16))) {
      this.counters.notOurs++;
    } else {
      this.counters.received++;
      if (nextHeader(packet, 0) === NEXT_HEADER.ICMPV6) this.handleIcmp(packet);
      else this.handleUdp(packet);
    }
  };

  private handleIcmp(packet: Uint8Array): void {
    if (!checkIcmpv6(packet, 0) || payloadLength(packet, 0) < 8) {
      this.counters.malformed++;
      return;
    }
    const type = icmpv6Type(packet, 0);
    if (type === ICMPV6.ECHO_REQUEST) this.answer(packet);
    else if (type === ICMPV6.ECHO_REPLY) this.handleReply(packet);
    else if (type < 128) {
      const from = packet.slice(SOURCE, SOURCE + 16);
      this.errors.push({ type, code: icmpv6Code(packet, 0), from, at: this.world.now });
    }
  }

  private answer(request: Uint8Array): void {
    const { start, end } = echoData(request, 0);
    this.send(
      buildEchoReply({
        source: request.slice(DESTINATION, DESTINATION + 16),
        destination: request.slice(SOURCE, SOURCE + 16),
        hopLimit: 64,
        identifier: readUint16(request, IPV6_HEADER + 4),
        sequence: readUint16(request, IPV6_HEADER + 6),
        data: request.slice(start, end),
      }),
    );
  }

  private handleReply(packet: Uint8Array): void {
    const number = readUint16(packet, IPV6_HEADER + 4) * 65_536 + readUint16(packet, IPV6_HEADER + 6);
    const ping = this.pings.get(number);
    if (ping === undefined) return;
    ping.repliedAt ??= this.world.now;
    ping.hopLimit ??= hopLimit(packet, 0);
    ping.replies++;
  }

  private handleUdp(packet: Uint8Array): void {
    const datagram = parseUdp6(packet);
    if (datagram === undefined) {
      this.counters.malformed++;
      return;
    }
    const handler = this.ports.get(datagram.destinationPort);
    if (handler === undefined) this.counters.noPort++;
    else handler(datagram);
  }
}
