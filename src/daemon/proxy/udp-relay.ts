import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import type { GuestNetwork } from '../../io/guest/guest-network.ts';
import { readDatagram, writeDatagram } from '../../wire/socks5.ts';
import { formatHost, hostOf } from '../../wire/proxy-target.ts';
import type { Asker } from './asker.ts';
import type { Destinations } from './destinations.ts';
import type { SocketPlace } from '../../io/socket-user.ts';
import { withoutZone } from './ends.ts';
import { RecentTargets } from './recent-targets.ts';
import type { Address, Resolver } from './resolver.ts';

/** An association without datagrams is ended after this. */
const IDLE_MS = 120_000;
/** Octets that may wait for a socket: more are lost, as UDP has it. */
const MOST_QUEUED = 256 << 10;

export interface UdpParts {
  readonly network: Pick<GuestNetwork, 'openUdp'>;
  readonly resolver: Resolver;
  readonly destinations: Destinations;
  /** Whether datagrams to IPv4 addresses leave by the host's network. */
  readonly hasIpv4: boolean;
  /** Whether datagrams from this place, to this one, are from a user that the proxy serves. */
  readonly isServed: (client: SocketPlace, here: SocketPlace) => boolean;
}

/** Relays the datagrams of one client. Hosts answer it only if it has sent to them: address and port. */
export class UdpRelay {
  private readonly outside: Socket;
  private readonly inside: Socket;
  private readonly ipv4: Socket | undefined;
  private readonly client: { readonly address: string; port: number };
  private readonly parts: UdpParts;
  private readonly targets: RecentTargets;
  private readonly idle: NodeJS.Timeout;
  private closed = false;
  /** The port from which the client sends is known. */
  private isSettled = false;

  private constructor(
    [outside, inside, ipv4]: readonly [Socket, Socket, Socket | undefined],
    client: { readonly address: string; readonly port: number },
    parts: UdpParts,
    asker: Asker,
    onIdle: () => void,
  ) {
    [this.outside, this.inside, this.ipv4] = [outside, inside, ipv4];
    this.client = { ...client };
    this.parts = parts;
    this.targets = new RecentTargets(parts.resolver, asker);
    this.idle = setTimeout(onIdle, IDLE_MS);
    outside.on('message', (octets, from) => void this.takeFromClient(octets, from));
    for (const socket of [inside, ipv4])
      socket?.on('message', (octets, from) => this.takeAnswer(octets, from));
  }

  /** `here`: the address for the client's side. A client with port 0 gets that of its first datagram. Undefined: there are no free sockets. */
  static async open(
    here: string,
    client: { readonly address: string; readonly port: number },
    parts: UdpParts,
    asker: Asker,
    onIdle: () => void,
  ): Promise<UdpRelay | undefined> {
    let inside: Socket | undefined;
    const open: Socket[] = [];
    try {
      inside = parts.network.openUdp();
      if (inside === undefined) return undefined;
      open.push(quiet(inside));
      const outside = createSocket(here.includes(':') ? 'udp6' : 'udp4');
      open.push(outside);
      await bound(outside, here);
      const ipv4 = parts.hasIpv4 ? createSocket('udp4') : undefined;
      if (ipv4 !== undefined) open.push(ipv4);
      if (ipv4 !== undefined) await bound(ipv4, undefined);
      return new UdpRelay([quiet(outside), inside, ipv4 && quiet(ipv4)], client, parts, asker, onIdle);
    } catch {
      for (const socket of open) socket.close();
      return undefined;
    }
  }

  /** The port for the client's datagrams. */
  get port(): number {
    return this.outside.address().port;
  }

  /** Resolves when the sockets can be used again. Harmless when repeated. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.idle);
    for (const socket of [this.outside, this.ipv4]) socket?.close();
    await new Promise<void>((resolve) => this.inside.close(resolve));
  }

  private async takeFromClient(octets: Uint8Array, from: RemoteInfo): Promise<void> {
    if (withoutZone(from.address) !== this.client.address) return;
    if (this.client.port !== 0 && from.port !== this.client.port) return;
    const datagram = readDatagram(octets);
    // RFC 1928 section 7: a relay that does not put fragments together drops them.
    if (datagram === undefined || datagram.fragment !== 0 || datagram.target.port === 0) return;
    if (!this.isSettled) {
      if (!this.parts.isServed(from, this.outside.address())) return;
      this.isSettled = true;
      this.client.port = from.port;
    }
    this.idle.refresh();
    const { host, port } = datagram.target;
    const address = await this.targets.addressOf(host, octets.length);
    if (address === undefined || this.closed || !this.parts.destinations.allows(address)) return;
    const socket = address.kind === 'ipv6' ? this.inside : this.ipv4;
    if (socket === undefined) return;
    this.targets.note(address, port);
    send(socket, octets.subarray(datagram.at), port, formatHost(address));
  }

  private takeAnswer(octets: Uint8Array, from: RemoteInfo): void {
    const host = hostOf(withoutZone(from.address)) as Address | undefined;
    if (host === undefined || this.closed || !this.targets.has(host, from.port)) return;
    this.idle.refresh();
    const { address, port } = this.client;
    send(this.outside, writeDatagram({ host, port: from.port }, octets), port, address);
  }
}

function send(socket: Socket, octets: Uint8Array, port: number, address: string): void {
  // A failure is the loss of a datagram.
  if (socket.getSendQueueSize() <= MOST_QUEUED) socket.send(octets, port, address, () => {});
}

function quiet(socket: Socket): Socket {
  return socket.on('error', () => {});
}

function bound(socket: Socket, address: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port: 0, ...(address === undefined ? {} : { address }), exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}
