import { expect, test } from 'vitest';
import { ClientRig, PEER, PEER_MAPPED, PRIMARY, bubble, data } from '../../../../test/support/client-rig.ts';
import type { Sent } from '../../../../test/support/client-rig.ts';
import { A, A_MAPPED, A_NONCE, A_SERVER, NatRig } from '../../../../test/support/nat-rig.ts';
import { parseTrailers, writeNeighborDiscovery } from '../../../wire/index.ts';

const SERVER = 'bubble 198.51.100.118:3544';
const DIRECT = 'bubble 192.0.2.10:8192';

/** A client with PEER trusted, and without traffic for this time. */
function idle(milliseconds: number): ClientRig {
  const rig = new ClientRig().qualify();
  rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).receive(PEER_MAPPED, data(PEER, rig.address));
  return pass(rig, milliseconds).clear();
}

/** Time passes, and the server answers. */
function pass(rig: ClientRig, milliseconds: number): ClientRig {
  for (const end = rig.now + milliseconds; rig.now < end;) {
    const before = rig.sent.length;
    rig.advance(Math.min(500, end - rig.now));
    for (const one of rig.sent.slice(before)) if (one.kind === 'solicitation') rig.answer(one);
  }
  return rig;
}

function kindOf({ bytes }: Sent): string | undefined {
  return parseTrailers(bytes, 40, bytes.length).neighborDiscovery;
}

function asked(type: 'solicitation' | 'advertisement', rig: ClientRig): Uint8Array {
  const packet = new Uint8Array(46);
  packet.set(bubble(PEER, rig.address));
  writeNeighborDiscovery(packet, 40, type);
  return packet;
}

function toPeer(rig: ClientRig): Sent[] {
  return rig.sent.filter(({ summary }) => summary === DIRECT || summary === SERVER);
}

test('E-110, E-115: after 30 s without traffic the peer is asked directly, and the server gets no datagram', () => {
  const rig = idle(31_000);
  rig.send(rig.data(PEER));
  expect(toPeer(rig).map(({ summary }) => summary)).toEqual([DIRECT]);
  expect(toPeer(rig).map(kindOf)).toEqual(['solicitation']);
  expect(toPeer(rig)[0].bytes).toHaveLength(46); // EX11
});

test('E-115: any direct packet of the peer releases the queue', () => {
  const rig = idle(31_000);
  rig.send(rig.data(PEER)).clear();
  rig.receive(PEER_MAPPED, asked('advertisement', rig));
  expect(rig.kinds).toEqual(['data 192.0.2.10:8192']); // and E-113: no answer to an advertisement
});

test('E-111: solicitations at 0, 2 and 4 s, and at 4 s an indirect bubble as for a new peer', () => {
  const rig = idle(31_000);
  const from = rig.now;
  pass(rig.send(rig.data(PEER)), 5_000);
  const seen = toPeer(rig).map((one) => `${one.time - from} ${one.summary} ${kindOf(one) ?? ''}`.trim());
  expect(seen).toEqual([
    `0 ${DIRECT} solicitation`,
    `2000 ${DIRECT} solicitation`,
    `4000 ${DIRECT} solicitation`,
    `4000 ${DIRECT}`,
    `4000 ${SERVER}`,
  ]);
});

test('E-110: a peer that has not answered packets of the last 30 s is contacted according to CL-60', () => {
  const rig = idle(20_000);
  pass(rig.send(rig.data(PEER)), 11_000).clear();
  rig.send(rig.data(PEER));
  expect(toPeer(rig).map(({ summary }) => summary)).toContain(SERVER);
});

test('E-110: not after 25 s without sent packets', () => {
  const rig = idle(20_000);
  pass(rig.send(rig.data(PEER)), 25_000).clear();
  rig.send(rig.data(PEER));
  expect(toPeer(rig).map(({ summary }) => summary)).toContain(SERVER);
});

test('E-112, E-114: solicitations are answered by advertisements, 2 s apart', () => {
  const rig = idle(1_000);
  for (let i = 0; i < 2; i++) {
    rig.clear().receive(PEER_MAPPED, asked('solicitation', rig));
    expect(toPeer(rig).map((one) => [one.summary, kindOf(one)])).toEqual([[DIRECT, 'advertisement']]);
    rig.receive(PEER_MAPPED, asked('solicitation', rig));
    expect(toPeer(rig)).toHaveLength(1);
    rig.advance(2_000);
  }
});

test('E-112: not from another address', () => {
  const rig = idle(1_000);
  rig.receive({ ...PEER_MAPPED, port: 9 }, asked('solicitation', rig));
  rig.receive(PRIMARY, asked('solicitation', rig));
  expect(toPeer(rig).map(kindOf)).not.toContain('advertisement');
});

test('a peer that was asked directly once is later contacted through its server if it does not hear the client', () => {
  const askedThroughServer = (wasIdle: boolean): number => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE }).direct(A_MAPPED, { nonce: A_NONCE });
    rig.dataFrom(A_MAPPED).pass(wasIdle ? 31_000 : 20_000);
    rig.send(data(rig.address, A)).advance(50); // E-110
    rig.dataFrom(A_MAPPED).pass(5_000);
    rig.forwarded({ nonce: A_NONCE }).pass(1_000).clear(); // it sends an indirect bubble: it does not hear the client
    let count = 0;
    for (let i = 0; i < 200; i++) {
      rig.send(data(rig.address, A)).pass(100);
      count += rig.all('bubble', A_SERVER).length;
      rig.clear();
    }
    return count;
  };
  expect(askedThroughServer(true)).toBe(askedThroughServer(false));
});
