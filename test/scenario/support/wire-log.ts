import type { Attachment, Ipv4Datagram, Ipv4Network, World } from '../../../src/sim/index.ts';
import {
  DatagramView,
  ICMPV6,
  NEXT_HEADER,
  decodeDatagram,
  icmpv6Type,
  isBubble,
  nextHeader,
} from '../../../src/wire/index.ts';

export type DatagramKind =
  | 'solicitation'
  | 'advertisement'
  | 'bubble'
  | 'echo-request'
  | 'data'
  | 'malformed';

export interface LoggedDatagram {
  readonly at: number;
  readonly kind: DatagramKind;
  readonly datagram: Ipv4Datagram;
  /** Offset of the IPv6 packet in the payload. */
  readonly ipv6Start: number;
}

/** All datagrams that pass a network or attachment, decoded as far as tests need it. */
export class WireLog {
  readonly entries: LoggedDatagram[] = [];
  private readonly world: World;

  constructor(world: World, ...places: (Ipv4Network | Attachment)[]) {
    this.world = world;
    for (const place of places) place.taps.push((datagram) => this.entries.push(this.read(datagram)));
  }

  times(wanted: DatagramKind, from?: number): number[] {
    return this.entries
      .filter(({ kind, datagram }) => kind === wanted && (from === undefined || datagram.source === from))
      .map(({ at }) => at);
  }

  private read(datagram: Ipv4Datagram): LoggedDatagram {
    const view = new DatagramView();
    const malformed = decodeDatagram(datagram.payload, 0, datagram.payload.length, view) !== undefined;
    const kind = malformed ? 'malformed' : kindOf(datagram.payload, view.ipv6Start);
    return { at: this.world.now, kind, datagram, ipv6Start: view.ipv6Start };
  }
}

export function kindOf(payload: Uint8Array, at: number): DatagramKind {
  if (isBubble(payload, at)) return 'bubble';
  if (nextHeader(payload, at) !== NEXT_HEADER.ICMPV6) return 'data';
  const type = icmpv6Type(payload, at);
  if (type === ICMPV6.RS) return 'solicitation';
  if (type === ICMPV6.RA) return 'advertisement';
  return type === ICMPV6.ECHO_REQUEST ? 'echo-request' : 'data';
}
