import type { Ipv4 } from '../wire/index.ts';
import type { Attachment, Ipv4Datagram, Ipv4Network } from './ipv4-network.ts';
import type { LinkConditions } from './link.ts';

/** Takes a datagram: payload, source address and port, TOS octet. */
export type UdpHandler = (payload: Uint8Array, address: Ipv4, port: number, tos: number) => void;

const TIME_TO_LIVE = 64;
/** Default time to live of datagrams to a group (RFC 1112 section 6.1). */
const GROUP_TIME_TO_LIVE = 1;

/** A UDP socket of an {@link Ipv4Host}, bound to one of its addresses or to a group. */
export class UdpSocket {
  readonly address: Ipv4;
  readonly port: number;
  readonly handler: UdpHandler;
  private readonly host: Ipv4Host;

  constructor(host: Ipv4Host, address: Ipv4, port: number, handler: UdpHandler) {
    this.host = host;
    this.address = address;
    this.port = port;
    this.handler = handler;
  }

  /** Sends `payload`, which must not be changed afterwards. */
  send(payload: Uint8Array, address: Ipv4, port: number): void {
    this.host.send({
      source: this.address,
      sourcePort: this.port,
      destination: address,
      destinationPort: port,
      timeToLive: isGroup(address) ? GROUP_TIME_TO_LIVE : TIME_TO_LIVE,
      payload,
    });
  }

  close(): void {
    this.host.unbind(this);
  }
}

/** A host with IPv4 addresses and UDP sockets. */
export class Ipv4Host {
  readonly counters = { sent: 0, received: 0, noSocket: 0, noRoute: 0 };
  private readonly attachments: Attachment[] = [];
  private readonly sockets = new Map<number, UdpSocket>();

  get addresses(): readonly Ipv4[] {
    return this.attachments.map((attachment) => attachment.address);
  }

  /** The link of its first address. */
  get link(): LinkConditions {
    return this.attachment.link;
  }

  /** The links of all its addresses. */
  get links(): readonly LinkConditions[] {
    return this.attachments.map((attachment) => attachment.link);
  }

  /** Its first address on a network. Throws a RangeError if it is on none. */
  get attachment(): Attachment {
    const first = this.attachments[0];
    if (first === undefined) throw new RangeError('the host is attached to no network');
    return first;
  }

  attach(network: Ipv4Network, address: Ipv4, conditions?: Partial<LinkConditions>): Attachment {
    const attachment = network.attach(address, (datagram) => this.receive(datagram, attachment), conditions);
    this.attachments.push(attachment);
    for (const socket of this.sockets.values()) {
      if (isGroup(socket.address)) attachment.groups.add(socket.address);
    }
    return attachment;
  }

  /** Leaves all networks. Sockets stay bound to the addresses they had. */
  detachAll(): void {
    for (const attachment of this.attachments) attachment.network.detach(attachment);
    this.attachments.length = 0;
  }

  isTaken(address: Ipv4, port: number): boolean {
    return this.sockets.has(socketKey(address, port));
  }

  /** Binds a socket. Throws a RangeError if the port of this address is taken. */
  bind(address: Ipv4, port: number, handler: UdpHandler): UdpSocket {
    const key = socketKey(address, port);
    if (this.sockets.has(key)) throw new RangeError(`port ${port} is taken`);
    const socket = new UdpSocket(this, address, port, handler);
    this.sockets.set(key, socket);
    return socket;
  }

  /** Binds a socket that receives datagrams to a group, on all networks of this host. */
  bindGroup(group: Ipv4, port: number, handler: UdpHandler): UdpSocket {
    for (const attachment of this.attachments) attachment.groups.add(group);
    return this.bind(group, port, handler);
  }

  unbind(socket: UdpSocket): void {
    this.sockets.delete(socketKey(socket.address, socket.port));
    if (!isGroup(socket.address)) return;
    for (const attachment of this.attachments) attachment.groups.delete(socket.address);
  }

  send(datagram: Ipv4Datagram): void {
    const from = this.attachments.find((attachment) => attachment.address === datagram.source);
    if (from === undefined) {
      this.counters.noRoute++;
    } else {
      this.counters.sent++;
      from.send(datagram);
    }
  }

  private receive(datagram: Ipv4Datagram, attachment: Attachment): void {
    const isOurs = datagram.destination === attachment.address || attachment.groups.has(datagram.destination);
    const socket = isOurs
      ? this.sockets.get(socketKey(datagram.destination, datagram.destinationPort))
      : undefined;
    if (socket === undefined) {
      this.counters.noSocket++;
    } else {
      this.counters.received++;
      socket.handler(datagram.payload, datagram.source, datagram.sourcePort, datagram.tos ?? 0);
    }
  }
}

function isGroup(address: Ipv4): boolean {
  return address >>> 28 === 0xe;
}

function socketKey(address: Ipv4, port: number): number {
  return address * 65_536 + port;
}
