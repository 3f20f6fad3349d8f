import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  DESTINATION,
  DatagramView,
  ICMPV6,
  NEXT_HEADER,
  SOURCE,
  TEREDO_PORT,
  checkIcmpv6,
  checkRouterSolicitation,
  decodeDatagram,
  flagsOf,
  formatEndpoint,
  formatIpv4,
  formatIpv6,
  hopLimit,
  icmpv6Type,
  isBubble,
  isTeredo,
  mappedAddressOf,
  mappedPortOf,
  nextHeader,
  parseRouterAdvertisement,
  parseTrailers,
  serverOf,
  toHex,
  transportChecksum,
} from '../../src/wire/index.ts';
import type { CapturedDatagram } from '../support/pcap.ts';
import { readCapture } from '../support/pcap.ts';
import { vectors } from '../support/vectors.ts';

/** Real Teredo traffic, kept outside the repository; where it is absent these tests are skipped and say so. */
const SHARED = new URL('../../../shared/', import.meta.url);

/** Declares the tests of a capture; where it is absent they are skipped, and their heading says why. */
function describeCapture(path: string, body: (datagrams: CapturedDatagram[]) => void): void {
  const url = new URL(path, SHARED);
  const present = existsSync(url);
  const heading = present ? path : `${path} is not on this machine (looked for ../shared/${path})`;
  describe.skipIf(!present)(heading, () => {
    body(present ? readCapture(readFileSync(url)) : []);
  });
}

interface Decoded {
  datagram: CapturedDatagram;
  view: DatagramView;
  /** The kind of the IPv6 packet, as text. */
  kind: string;
}

function decodeAll(datagrams: CapturedDatagram[]): Decoded[] {
  return datagrams.map((datagram) => {
    const b = datagram.payload;
    const view = new DatagramView();
    expect(decodeDatagram(b, 0, b.length, view)).toBeUndefined();
    return { datagram, view, kind: kindOf(b, view.ipv6Start) };
  });
}

function kindOf(b: Uint8Array, o: number): string {
  if (isBubble(b, o)) return 'bubble';
  if (nextHeader(b, o) === NEXT_HEADER.TCP) return 'tcp';
  expect(checkIcmpv6(b, o)).toBe(true);
  const type = icmpv6Type(b, o);
  return Object.entries(ICMPV6).find(([, number]) => number === type)![0];
}

const source = ({ datagram, view }: Decoded) => formatIpv6(datagram.payload, view.ipv6Start + SOURCE);
const hops = ({ datagram, view }: Decoded) => hopLimit(datagram.payload, view.ipv6Start);
const trailersOf = ({ datagram, view }: Decoded) =>
  parseTrailers(datagram.payload, view.ipv6End, view.trailersEnd);
const from = ({ datagram }: Decoded) =>
  formatEndpoint({ address: datagram.source, port: datagram.sourcePort });
const origin = ({ view }: Decoded) =>
  view.hasOrigin ? formatEndpoint({ address: view.originAddress, port: view.originPort }) : undefined;

/** The session of 2008, with or without four octets after each bubble: Windows XP behind a full cone NAT. */
function theXpSession(datagrams: CapturedDatagram[], behindBubble: number): void {
  const SERVICE_PORT = 3797;
  const session = datagrams.filter(
    (d) => d.sourcePort === SERVICE_PORT || d.destinationPort === SERVICE_PORT,
  );
  const all = decodeAll(session);

  test('solicitation, advertisement, bubbles, connectivity test and TCP come in this order', () => {
    const kinds = all.map(({ kind }) => kind);
    const opening = ['RS', 'RA', 'bubble', 'ECHO_REQUEST', 'bubble', 'bubble', 'ECHO_REPLY'];
    expect(kinds.slice(0, 7)).toEqual(opening);
    expect(new Set(kinds.slice(7))).toEqual(new Set(['tcp']));
    expect(kinds).toHaveLength(29);
  });

  test('the solicitation has the cone bit, a nonce and a link-layer option', () => {
    const { datagram, view } = all[0];
    expect(datagram.payload.length).toBe(77);
    expect(checkRouterSolicitation(datagram.payload, view.ipv6Start)).toBeUndefined();
    expect(flagsOf(datagram.payload, view.ipv6Start + SOURCE) & 0x8000).toBe(0x8000);
    expect(view.authentication).toMatchObject({ start: 0, end: 13, confirmation: 0 });
  });

  test('the advertisement comes from the other address, with the same nonce, an origin, no MTU', () => {
    const [solicitation, { datagram, view }] = all;
    const b = datagram.payload;
    expect(b.length).toBe(109);
    expect(datagram.source).toBe(solicitation.datagram.destination + 1);
    expect(toHex(b, 4, 12)).toBe(toHex(solicitation.datagram.payload, 4, 12));
    expect(origin(all[1])).toBe('70.55.215.234:3797');
    const advertisement = parseRouterAdvertisement(b, view.ipv6Start);
    if (advertisement.reason !== undefined) throw new Error(advertisement.reason);
    expect(advertisement).toMatchObject({ mtu: undefined, prefixes: [{ length: 64 }] });
    expect(formatIpv4(serverOf(b, advertisement.prefixes[0].addressOffset))).toBe('65.55.158.80');
    const sender = view.ipv6Start + SOURCE;
    expect(mappedPortOf(b, sender)).toBe(TEREDO_PORT);
    expect(mappedAddressOf(b, sender)).toBe(datagram.source - 1);
  });

  test("the client's address embeds the origin", () => {
    const b = all[2].datagram.payload;
    expect(mappedPortOf(b, SOURCE)).toBe(SERVICE_PORT);
    expect(formatIpv4(mappedAddressOf(b, SOURCE))).toBe('70.55.215.234');
  });

  test("the relay's bubble comes through the server, with the relay's address and port as origin and hop limit 0", () => {
    const bubble = all[4];
    expect(from(bubble)).toBe('65.55.158.80:3544');
    expect(origin(bubble)).toBe('83.170.1.38:32900');
    expect(hops(bubble)).toBe(0);
    expect(source(bubble)).toBe('fe80::708d:fe83:4114:a512');
  });

  test(`after each bubble are ${behindBubble} octets, which are not a trailer`, () => {
    for (const decoded of all) {
      const extra = decoded.kind === 'bubble' ? behindBubble : 0;
      expect(decoded.view.trailersEnd - decoded.view.ipv6End).toBe(extra);
      expect(trailersOf(decoded)).toEqual(parseTrailers(new Uint8Array(), 0, 0));
    }
  });

  test('every TCP segment has a correct checksum', () => {
    for (const { datagram, view, kind } of all) {
      if (kind !== 'tcp') continue;
      const { ipv6Start, ipv6End } = view;
      const sum = transportChecksum(datagram.payload, ipv6Start, NEXT_HEADER.TCP, ipv6Start + 40, ipv6End);
      expect(sum).toBe(0);
    }
  });
}

describeCapture('captures/zeek-Teredo.pcap', (datagrams) => theXpSession(datagrams, 0));

describeCapture('captures/zeek-teredo_bubble_with_payload.pcap', (datagrams) => theXpSession(datagrams, 4));

describeCapture('captures/zeek-gtp8_teredo.pcap', (datagrams) => {
  const all = decodeAll(datagrams);
  const bubbles = all.filter(({ kind }) => kind === 'bubble');

  test('all ten datagrams are Teredo', () => {
    const kinds = 'bubble ECHO_REQUEST bubble bubble bubble RS RS bubble bubble bubble';
    expect(all.map(({ kind }) => kind).join(' ')).toBe(kinds);
  });

  test('two solicitations of 61 octets go to both addresses of a server', () => {
    const solicitations = all.filter(({ kind }) => kind === 'RS');
    for (const solicitation of solicitations) {
      const { payload } = solicitation.datagram;
      expect(payload.length).toBe(61);
      expect(solicitation.view.authentication).toMatchObject({ end: 13, confirmation: 0 });
      expect(checkRouterSolicitation(payload, solicitation.view.ipv6Start)).toBeUndefined();
      expect(source(solicitation)).toBe('fe80::ffff:ffff:fffe');
      expect(hops(solicitation)).toBe(255);
    }
    const [first, second] = solicitations.map(({ datagram }) => datagram);
    expect(second.destination).toBe(first.destination + 1);
    expect(toHex(second.payload, 4, 12)).not.toBe(toHex(first.payload, 4, 12));
  });

  test('bubbles and pings have hop limit 21, the ping a payload of four octets', () => {
    for (const decoded of all) if (decoded.kind !== 'RS') expect(hops(decoded)).toBe(21);
    expect(all[1].datagram.payload.length).toBe(52);
    expect(source(all[1])).toBe('2001:0:5ef5:79fb:38b8:1695:2b37:be8e');
  });

  test('every bubble has a Nonce and one Alternate Address', () => {
    expect(bubbles).toHaveLength(7);
    for (const bubble of bubbles) {
      const trailers = trailersOf(bubble);
      expect(trailers).toMatchObject({ discard: false, malformedAlternate: false, unknown: 0 });
      expect(trailers.nonce).toBe(bubble.view.ipv6End + 2);
      expect(trailers.alternates).toHaveLength(1);
    }
    const { payload } = bubbles[0].datagram;
    expect(toHex(payload, 42, 46)).toBe('77a05e76');
  });

  test('those of the clients here name their own local address and port, and a Random Port of type 5 (E-11)', () => {
    const outgoing = bubbles.filter(({ datagram }) => datagram.destinationPort === TEREDO_PORT);
    expect(outgoing).toHaveLength(5);
    for (const bubble of outgoing) {
      expect(formatEndpoint(trailersOf(bubble).alternates![0])).toBe(from(bubble));
    }
    const ports = outgoing.map((bubble) => trailersOf(bubble).randomPort);
    expect(ports).toEqual([57208, 42697, 50874, 47160, 43701]);
  });

  test('two were forwarded by a server: Teredo to Teredo, no origin, trailers intact', () => {
    const forwarded = bubbles.filter(({ datagram }) => datagram.sourcePort === TEREDO_PORT);
    expect(forwarded).toHaveLength(2);
    for (const bubble of forwarded) {
      const { payload } = bubble.datagram;
      expect(bubble.view.hasOrigin).toBe(false);
      expect(isTeredo(payload, SOURCE) && isTeredo(payload, DESTINATION)).toBe(true);
      expect(trailersOf(bubble).randomPort).toBeUndefined();
    }
    const alternates = forwarded.map((bubble) => formatEndpoint(trailersOf(bubble).alternates![0]));
    expect(alternates).toEqual(['192.168.178.14:61286', '192.168.1.100:52429']);
  });
});

describeCapture('spec/examples.pcap', (datagrams) => {
  test('holds the worked examples', () => {
    expect(decodeAll(datagrams)).toHaveLength(vectors.datagrams.length);
    const read = datagrams.map((d) => ({
      outer: {
        src: formatIpv4(d.source),
        sport: d.sourcePort,
        dst: formatIpv4(d.destination),
        dport: d.destinationPort,
      },
      payload: toHex(d.payload),
    }));
    expect(read).toEqual(vectors.datagrams.map(({ outer, payload }) => ({ outer, payload })));
  });
});
