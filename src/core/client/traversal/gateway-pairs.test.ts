/** The use of the address and port that a gateway has mapped for the client. RFC 6081 sections 5.3, 5.6 */
import { describe, expect, test } from 'vitest';
import {
  formatEndpoint,
  parseTrailers,
  readUint32,
  writeAlternateAddresses,
  writeNonce,
  writeUint32,
} from '../../../wire/index.ts';
import type { Endpoint } from '../../../wire/index.ts';
import {
  ClientRig,
  MAPPED,
  PEER,
  PEER_SERVER,
  PRIMARY,
  SECONDARY,
  at,
  bubble,
  data,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import type { Sent } from '../../../../test/support/client-rig.ts';

const GATEWAY = at('192.0.2.1:40000');
/** Source of the packets of a peer behind a symmetric NAT. */
const ELSEWHERE = at('192.0.2.10:5000');
const PEER_GATEWAY = at('192.0.2.10:41000');

describe('the address and port that a gateway has mapped', () => {
  test('E-45, E-91: is an alternate address of indirect bubbles', () => {
    const rig = new ClientRig().qualify();
    rig.machine.setGatewayMapping(GATEWAY, rig.now);
    rig.send(rig.data(PEER));
    expect(alternatesOf(indirect(rig))).toEqual(['192.168.1.2:40000', '192.0.2.1:40000']);
  });

  test('E-47, E-90: is not used if the server sees the same', () => {
    const rig = new ClientRig().qualify();
    rig.machine.setGatewayMapping(MAPPED, rig.now);
    rig.send(rig.data(PEER));
    expect(alternatesOf(indirect(rig))).toEqual(['192.168.1.2:40000']);
  });

  test('is no longer sent when the gateway has ended the mapping', () => {
    const rig = new ClientRig().qualify();
    rig.machine.setGatewayMapping(GATEWAY, rig.now);
    rig.machine.setGatewayMapping(undefined, rig.now);
    rig.send(rig.data(PEER));
    expect(alternatesOf(indirect(rig))).toEqual(['192.168.1.2:40000']);
  });

  test('a chosen port may be forwarded behind a symmetric NAT, although no server sees it', () => {
    const rig = symmetric(undefined, 40_000);
    askedByPeer(rig);
    expect(alternatesOf(indirect(rig))).toEqual(['192.168.1.2:40000', '192.0.2.1:40000']);
  });
});

describe('behind one symmetric NAT, with a port mapped by its gateway', () => {
  test('E-46, E-48, E-49, E-50: a peer behind a symmetric NAT gets bubbles and data at its mapped address and port', () => {
    const rig = symmetric(MAPPED);
    rig.send(rig.data(PEER));
    meet(rig, ELSEWHERE);
    expect(rig.all('data').map(({ summary }) => summary)).toEqual(['data 192.0.2.10:8192']);
    rig.clear().send(rig.data(PEER));
    expect(rig.kinds).toEqual(['data 192.0.2.10:8192']);
    expect(rig.all('bubble', ELSEWHERE)).toEqual([]);
  });

  test('its packets are accepted only from the address and port from which it has shown the nonce', () => {
    const rig = symmetric(MAPPED);
    rig.send(rig.data(PEER));
    meet(rig, ELSEWHERE);
    show(rig, ELSEWHERE); // once more
    rig.delivered = [];
    for (let i = 0; i < 4; i++) {
      rig.receive(ELSEWHERE, data(PEER, rig.address)).advanceServed(10_000);
    }
    expect(rig.delivered).toHaveLength(4);
    rig.clear().send(rig.data(PEER));
    expect(rig.all('data').length, 'it is heard by that').toBe(1);
    rig.delivered = [];
    rig.receive(ELSEWHERE, data(PEER, rig.address));
    expect(rig.delivered).toHaveLength(1);
    rig.receive(at('192.0.2.10:5001'), data(PEER, rig.address));
    expect(rig.delivered).toHaveLength(1);
  });

  test('a peer with a mapped port of its own is sent to at its source address and port', () => {
    const rig = symmetric(MAPPED);
    rig.send(rig.data(PEER));
    meet(rig, ELSEWHERE, [PEER_GATEWAY]);
    expect(rig.all('data').map(({ summary }) => summary)).toEqual(['data 192.0.2.10:5000']);
  });

  test.for([
    ['no gateway', undefined],
    ['a gateway behind another NAT', GATEWAY],
  ] as const)('with %s the peer is sent to at its source address and port (E-29)', ([, gateway]) => {
    const rig = symmetric(gateway);
    rig.send(rig.data(PEER));
    meet(rig, ELSEWHERE);
    expect(rig.all('data').map(({ summary }) => summary)).toEqual(['data 192.0.2.10:5000']);
  });
});

describe('two clients that reach each other through their gateways at once', () => {
  test('the client with the lower address uses the gateway of the other, the second path found', () => {
    const rig = symmetric(GATEWAY);
    rig.send(rig.data(PEER));
    meet(rig, PEER_GATEWAY, [PEER_GATEWAY]);
    expect(rig.all('data', PEER_GATEWAY)).toHaveLength(1);
    show(rig, ELSEWHERE);
    rig.clear().send(rig.data(PEER));
    expect(rig.kinds, 'the higher address is ours: it does not use the gateway').toEqual([
      'data 192.0.2.10:5000',
    ]);
  });

  test('packets that come by the other path are accepted, too', () => {
    const rig = symmetric(GATEWAY);
    rig.send(rig.data(PEER));
    meet(rig, ELSEWHERE, [PEER_GATEWAY]);
    show(rig, PEER_GATEWAY);
    rig.clear().receive(PEER_GATEWAY, data(PEER, rig.address));
    expect(rig.delivered).toHaveLength(1);
    rig.send(rig.data(PEER));
    expect(rig.kinds, 'the path stays the same').toEqual(['data 192.0.2.10:5000']);
  });
});

/** A client that has qualified behind a symmetric NAT. */
function symmetric(gateway?: Endpoint, chosenPort?: number): ClientRig {
  const rig = new ClientRig({ localDiscovery: false, chosenPort }).start();
  rig.answer(rig.find('solicitation', PRIMARY));
  rig.answer(rig.find('solicitation', SECONDARY), { from: SECONDARY, origin: at('192.0.2.1:4097') });
  rig.machine.setGatewayMapping(gateway, rig.now);
  return rig.clear();
}

/** The peer has received the client's indirect bubble, and sends its own and a direct one from `from`. */
function meet(rig: ClientRig, from: Endpoint, alternates: Endpoint[] = []): void {
  rig.advance(3_000); // the Echo Test fails: no server answers it
  show(rig, from);
  askedByPeer(rig, alternates);
}

/** Its indirect bubble. */
function askedByPeer(rig: ClientRig, alternates: Endpoint[] = []): void {
  const packet = withTrailers(bubble(PEER, rig.address), 0xdeadbeef, alternates);
  rig.receive(PRIMARY, withOrigin(PEER_SERVER, packet));
  if (rig.all('bubble', PEER_SERVER).length === 0) rig.advance(3_000);
}

/** The peer sends a direct bubble with the nonce of the client's last indirect one. */
function show(rig: ClientRig, from: Endpoint): void {
  const { bytes, view } = indirect(rig);
  const { nonce } = parseTrailers(bytes, view.ipv6End, bytes.length);
  rig.receive(from, withTrailers(bubble(PEER, rig.address), readUint32(bytes, nonce!)));
}

function indirect(rig: ClientRig): Sent {
  return rig.find('bubble', PEER_SERVER);
}

function alternatesOf({ bytes, view }: Sent): string[] {
  return (parseTrailers(bytes, view.ipv6End, bytes.length).alternates ?? []).map(formatEndpoint);
}

function withTrailers(packet: Uint8Array, nonce: number, alternates: Endpoint[] = []): Uint8Array {
  const bytes = new Uint8Array(packet.length + 40);
  bytes.set(packet);
  const shown = new Uint8Array(4);
  writeUint32(shown, 0, nonce);
  let end = writeNonce(bytes, packet.length, shown);
  if (alternates.length > 0) end = writeAlternateAddresses(bytes, end, alternates);
  return bytes.subarray(0, end);
}
