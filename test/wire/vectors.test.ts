import { describe, expect, test } from 'vitest';
import {
  ALL_NODES,
  DESTINATION,
  DatagramView,
  ICMPV6,
  IPV6_HEADER,
  SOURCE,
  TEREDO_PORT,
  buildEchoReply,
  buildEchoRequest,
  buildRouterAdvertisement,
  buildRouterSolicitation,
  checkIcmpv6,
  checkRouterSolicitation,
  decodeDatagram,
  echoData,
  equalBytes,
  formatEndpoint,
  hopLimit,
  icmpv6Type,
  isBubble,
  isTeredo,
  mappedAddressOf,
  mappedPortOf,
  parseIpv4,
  parseRouterAdvertisement,
  parseTrailers,
  readUint16,
  serverOf,
  toHex,
  writeAlternateAddresses,
  writeAuthentication,
  writeBubble,
  writeNeighborDiscovery,
  writeNonce,
  writeOrigin,
  writeRandomPort,
} from '../../src/wire/index.ts';
import { bytesOf, payloadOf, vectors } from '../support/vectors.ts';

function decoded(b: Uint8Array): DatagramView {
  const view = new DatagramView();
  expect(decodeDatagram(b, 0, b.length, view)).toBeUndefined();
  return view;
}

/** Builds the datagram again from the decoded values only. */
function rebuilt(b: Uint8Array): Uint8Array {
  const view = decoded(b);
  const out = new Uint8Array(b.length + 64).fill(0xee);
  let end = 0;
  if (view.authentication) {
    const { clientId, value, nonceOffset, confirmation } = view.authentication;
    const nonce = b.subarray(nonceOffset, nonceOffset + 8);
    const id = b.subarray(clientId.start, clientId.end);
    const proof = b.subarray(value.start, value.end);
    end = writeAuthentication(out, end, { clientId: id, value: proof, nonce, confirmation });
  }
  if (view.hasOrigin) end = writeOrigin(out, end, view.originAddress, view.originPort);
  const packet = rebuiltPacket(b, view.ipv6Start);
  out.set(packet, end);
  end = rebuildTrailers(b, view, out, end + packet.length);
  return out.subarray(0, end);
}

function rebuiltPacket(b: Uint8Array, o: number): Uint8Array {
  const source = b.slice(o + SOURCE, o + SOURCE + 16);
  const destination = b.slice(o + DESTINATION, o + DESTINATION + 16);
  if (isBubble(b, o)) {
    const packet = new Uint8Array(IPV6_HEADER);
    writeBubble(packet, 0, b, o + SOURCE, b, o + DESTINATION, hopLimit(b, o));
    return packet;
  }
  expect(checkIcmpv6(b, o)).toBe(true);
  if (icmpv6Type(b, o) === ICMPV6.RS) {
    expect(checkRouterSolicitation(b, o)).toBeUndefined();
    return buildRouterSolicitation(source);
  }
  if (icmpv6Type(b, o) === ICMPV6.RA) {
    const read = parseRouterAdvertisement(b, o);
    if (read.reason !== undefined) throw new Error(read.reason);
    const prefixServer = serverOf(b, read.prefixes[0].addressOffset);
    return buildRouterAdvertisement({ source, destination, prefixServer, mtu: read.mtu });
  }
  const { start, end } = echoData(b, o);
  const build = icmpv6Type(b, o) === ICMPV6.ECHO_REQUEST ? buildEchoRequest : buildEchoReply;
  return build({
    source,
    destination,
    hopLimit: hopLimit(b, o),
    identifier: readUint16(b, o + IPV6_HEADER + 4),
    sequence: readUint16(b, o + IPV6_HEADER + 6),
    data: b.subarray(start, end),
  });
}

function rebuildTrailers(b: Uint8Array, view: DatagramView, out: Uint8Array, start: number): number {
  const trailers = parseTrailers(b, view.ipv6End, view.trailersEnd);
  let end = start;
  if (trailers.nonce !== undefined) end = writeNonce(out, end, b, trailers.nonce);
  if (trailers.alternates) end = writeAlternateAddresses(out, end, trailers.alternates);
  if (trailers.neighborDiscovery) end = writeNeighborDiscovery(out, end, trailers.neighborDiscovery);
  if (trailers.randomPort !== undefined) end = writeRandomPort(out, end, trailers.randomPort);
  return end;
}

describe.each(vectors.datagrams)('$name $desc', ({ payload, parts, outer }) => {
  test('is rebuilt octet for octet', () => {
    expect(toHex(rebuilt(bytesOf(payload)))).toBe(payload);
  });

  test('has its parts at the decoded offsets', () => {
    const b = bytesOf(payload);
    const view = decoded(b);
    const found: Record<string, string> = {};
    if (view.authentication) found['auth'] = toHex(b, view.authentication.start, view.authentication.end);
    if (view.hasOrigin) found['origin'] = toHex(b, view.originStart, view.ipv6Start);
    found['ipv6'] = toHex(b, view.ipv6Start, view.ipv6End);
    if (view.trailersEnd > view.ipv6End) found['trailers'] = toHex(b, view.ipv6End, view.trailersEnd);
    const expected: Record<string, string> = {};
    for (const { name, hex } of parts) {
      const key = name.endsWith('trailer') ? 'trailers' : name.replace(/[+ ].*/, '');
      expected[key] = (expected[key] ?? '') + hex;
    }
    expect(found).toEqual(expected);
  });

  test('a Teredo source that sends directly embeds its outer address and port', () => {
    const b = bytesOf(payload);
    const view = decoded(b);
    const source = view.ipv6Start + SOURCE;
    if (!isTeredo(b, source) || view.hasOrigin || outer.dst === '224.0.0.253') return;
    const mapped = { address: mappedAddressOf(b, source), port: mappedPortOf(b, source) };
    expect(formatEndpoint(mapped)).toBe(`${outer.src}:${outer.sport}`);
  });
});

test.each([
  ['EX2', '192.0.2.1:4096'],
  ['EX4', '192.0.2.1:4096'],
  ['EX6', '192.0.2.1:4096'],
  ['EX9', '192.0.2.1:4096'],
  ['EX17', '192.0.2.200:3545'],
])('the origin in %s is %s', (name, origin) => {
  const { originAddress, originPort } = decoded(payloadOf(name));
  expect(formatEndpoint({ address: originAddress, port: originPort })).toBe(origin);
});

test('a discovery bubble goes to all nodes with hop limit 1 (C-28)', () => {
  const b = payloadOf('EX16');
  expect(isBubble(b, 0)).toBe(true);
  expect(hopLimit(b, 0)).toBe(1);
  expect(equalBytes(b, DESTINATION, ALL_NODES, 0, 16)).toBe(true);
});

test('the source of an advertisement embeds the server and its port (S-32)', () => {
  const b = payloadOf('EX6');
  const source = 8 + SOURCE;
  expect(mappedPortOf(b, source)).toBe(TEREDO_PORT);
  expect(mappedAddressOf(b, source)).toBe(parseIpv4('203.0.113.120'));
});
