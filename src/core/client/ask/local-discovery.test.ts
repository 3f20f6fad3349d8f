import { describe, expect, test } from 'vitest';
import { reached } from '../../../../test/support/limit-hits.ts';
import {
  ClientRig,
  MAPPED,
  PEER_SERVER,
  PRIMARY,
  SECONDARY,
  at,
  bubble,
  data,
  teredo,
  v4,
  v6,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import type { Sent } from '../../../../test/support/client-rig.ts';
import { trailersOf } from '../../../../test/support/nat-rig.ts';
import { ALL_NODES, buildBubble, formatIpv4, hopLimit, toHex, writeNonce } from '../../../wire/index.ts';

const GROUP = at('224.0.0.253:3544');
const DISCOVERY = 2;
/** A neighbour: on the client's link, behind the same NAT. */
const NEIGHBOUR_LOCAL = at('192.168.1.3:50000');
const NEIGHBOUR = teredo(PEER_SERVER, at('192.0.2.1:4097'));

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();
const discovery = (source = NEIGHBOUR): Uint8Array => buildBubble(source, ALL_NODES, 1);

function hears(rig: ClientRig, from = NEIGHBOUR_LOCAL, source = NEIGHBOUR): ClientRig {
  return rig.receive(from, discovery(source), DISCOVERY);
}

function withNonce(packet: Uint8Array, nonce: number): Uint8Array {
  const bytes = new Uint8Array(packet.length + 6);
  bytes.set(packet);
  const end = writeNonce(bytes, packet.length, Uint8Array.of(nonce >>> 24, nonce >>> 16, nonce >>> 8, nonce));
  return bytes.slice(0, end);
}

/** The neighbour sends an indirect bubble, and then on the link the nonce of the client's indirect bubble. */
function proveOnLink(rig: ClientRig): void {
  const asked = rig.all('bubble', PEER_SERVER).length > 0;
  if (!asked) rig.send(rig.data(NEIGHBOUR));
  const { nonce } = trailersOf(rig.find('bubble', PEER_SERVER)) as { nonce: number };
  rig.receive(
    PRIMARY,
    withOrigin(at('192.0.2.1:4097'), withNonce(bubble(NEIGHBOUR, rig.address), 0x0badcafe)),
  );
  rig.receive(NEIGHBOUR_LOCAL, withNonce(bubble(NEIGHBOUR, rig.address), nonce));
}

describe('speaking', () => {
  test('CL-110, CL-111, C-28, C-3: opens the socket and sends a discovery bubble when it has qualified', () => {
    const rig = new ClientRig().start();
    rig.answer(rig.sent[0]).answer(rig.sent[1], { from: SECONDARY });
    expect(rig.events).toContainEqual({ type: 'socket-wanted', socket: DISCOVERY });
    const [said] = rig.all('bubble', GROUP);
    expect(said.socket).toBe(0);
    expect(said.source).toEqual(rig.address);
    expect(toHex(said.destination)).toBe('ff020000000000000000000000000001');
    expect([hopLimit(said.bytes, 0), said.bytes.length]).toEqual([1, 40]);
  });

  test('CL-111: then every 200 to 300 s, at random', () => {
    const rig = qualified();
    let last = rig.now;
    const gaps: number[] = [];
    for (let i = 0; i < 20; i++) {
      while (rig.all('bubble', GROUP).length === 0) rig.advanceServed(500);
      gaps.push(rig.all('bubble', GROUP)[0].time - last);
      last = rig.all('bubble', GROUP)[0].time;
      rig.clear();
    }
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(200_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(300_000);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(30_000);
  });

  test('CL-110: joins the group again after each move of the host, and not while it has no link', () => {
    const rig = qualified();
    const moveTo = (address: number | undefined): void => {
      const subnets = address === undefined ? [] : [{ address, prefixLength: 24 }];
      rig.machine.networkChanged(rig.now, { subnets, localAddress: address });
      rig.drain();
    };
    const sockets = (): string[] =>
      rig.events.map(({ type }) => type).filter((type) => type.startsWith('socket'));
    for (const address of [v4('10.9.0.2'), v4('192.168.1.2')]) {
      moveTo(undefined);
      expect(sockets()).toEqual(['socket-unwanted']);
      moveTo(address);
      expect(sockets()).toEqual(['socket-unwanted']);
      rig.answer(rig.find('solicitation', PRIMARY));
      rig.answer(rig.find('solicitation', SECONDARY), { from: SECONDARY });
      expect(sockets()).toEqual(['socket-unwanted', 'socket-wanted']);
      rig.clear();
    }
  });

  test('CL-116: switched off, it neither sends nor receives', () => {
    const rig = new ClientRig({ localDiscovery: false }).start();
    rig.answer(rig.sent[0]).answer(rig.sent[1], { from: SECONDARY });
    expect(rig.events.some(({ type }) => type === 'socket-wanted')).toBe(false);
    expect(hears(rig.clear()).advanceServed(400_000).sent).toEqual([]);
  });
});

describe('listening', () => {
  test('CL-48, CL-115: a neighbour is answered at its local address and remembered, untrusted', () => {
    const rig = hears(qualified());
    expect(rig.kinds).toEqual(['bubble 192.168.1.3:50000']);
    expect([rig.sent[0].source, rig.sent[0].destination]).toEqual([rig.address, NEIGHBOUR]);
    expect([...rig.machine.peers(rig.now)]).toEqual([
      expect.objectContaining({
        trusted: false,
        local: NEIGHBOUR_LOCAL,
        lastReceivedMs: rig.now,
        bubbles: 0,
      }),
    ]);
  });

  test('CL-115: its next discovery bubble updates its local address and port', () => {
    const rig = hears(hears(qualified()), at('192.168.1.4:50001'));
    expect([...rig.machine.peers(rig.now)][0].local).toEqual(at('192.168.1.4:50001'));
  });

  test('a new neighbour gets a discovery bubble within 300 ms, a known one does not; greetings are 10 s apart', () => {
    const rig = hears(qualified()).advance(300);
    expect(rig.all('bubble', GROUP)).toHaveLength(1);
    expect(hears(rig.clear()).advance(9_000).all('bubble', GROUP)).toEqual([]);
    const another = teredo(PEER_SERVER, at('192.0.2.1:4098'));
    expect(hears(rig, at('192.168.1.5:1024'), another).advance(500).all('bubble', GROUP)).toEqual([]);
    expect(rig.advance(1_000).all('bubble', GROUP)).toHaveLength(1);
  });

  test('CL-112: not over a unicast address', () => {
    const rig = qualified().receive(NEIGHBOUR_LOCAL, discovery());
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedUnicastDiscovery).toBe(1);
  });

  test('CL-113: not from outside the subnets of the host, and not from a source that is not a Teredo address', () => {
    const rig = hears(qualified(), at('172.31.0.1:50000'));
    for (const source of [v6('2001:db8::1'), v6('fe80::1'), teredo(PEER_SERVER, at('10.0.0.1:4097'))]) {
      hears(rig, NEIGHBOUR_LOCAL, source);
    }
    rig.receive(NEIGHBOUR_LOCAL, data(NEIGHBOUR, ALL_NODES), DISCOVERY);
    rig.receive(NEIGHBOUR_LOCAL, bubble(NEIGHBOUR, rig.address), DISCOVERY);
    rig.receive(NEIGHBOUR_LOCAL, discovery().slice(0, 30), DISCOVERY);
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedInvalidDiscovery).toBe(7);
  });

  test('E-3: its trailers are read first: one of type 01xxxxxx drops it, others are skipped', () => {
    const trailed = (...trailer: number[]): ClientRig =>
      qualified().receive(NEIGHBOUR_LOCAL, Uint8Array.from([...discovery(), ...trailer]), DISCOVERY);
    for (const bad of [
      [0x40, 0],
      [0x80, 0, 0x7f, 1, 0],
    ]) {
      const rig = trailed(...bad);
      expect([rig.sent, [...rig.machine.peers(rig.now)]]).toEqual([[], []]);
      const { droppedTrailer, acceptedDiscoveryBubbles } = rig.machine.counters;
      expect([droppedTrailer, acceptedDiscoveryBubbles]).toEqual([1, 0]);
    }
    for (const good of [
      [0x80, 0],
      [0xc7, 2, 0, 0],
      [1, 0xff, 0x40, 0],
    ])
      expect(trailed(...good).all('bubble', NEIGHBOUR_LOCAL)).toHaveLength(1);
  });

  test('CL-114: from behind another NAT: accepted, unless the option asks for the same mapped address', () => {
    const foreign = teredo(PEER_SERVER, at('192.0.2.99:4097'));
    expect(hears(qualified(), NEIGHBOUR_LOCAL, foreign).sent).toHaveLength(1);
    const strict = qualified({ localSameNat: true });
    expect(hears(strict, NEIGHBOUR_LOCAL, foreign).sent).toEqual([]);
    expect(hears(strict).sent).toHaveLength(1);
  });

  test('the client ignores its own discovery bubble', () => {
    const rig = qualified();
    hears(rig, at('192.168.1.2:40000'), rig.address);
    expect(rig.sent).toEqual([]);
  });

  test('answers to a flood are limited', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++) {
      hears(rig, NEIGHBOUR_LOCAL, teredo(PEER_SERVER, { address: MAPPED.address, port: 5_000 + i }));
    }
    expect(rig.sent.length).toBeLessThanOrEqual(50);
    const dropped = 1_000 - rig.sent.length;
    expect(reached(rig.machine, 'discovery-replies')).toEqual([dropped, formatIpv4(NEIGHBOUR_LOCAL.address)]);
    expect([...rig.machine.peers(rig.now)]).toHaveLength(rig.sent.length);
  });

  test('a flood of one neighbour, or of twenty, leaves answers to new ones: 20 of 20', () => {
    for (const count of [1, 20]) {
      const rig = qualified();
      let answered = 0;
      for (let i = 0; i < 10_000; i++) {
        const from = { address: v4('192.168.1.100') + (i % count), port: 50_000 };
        hears(rig, from, teredo(PEER_SERVER, { address: MAPPED.address, port: 5_000 + i }));
        rig.advanceServed(5);
        if (i % 500 !== 0) continue;
        const honest = { address: v4('192.168.1.3') + i / 500, port: 50_000 };
        const source = teredo(PEER_SERVER, { address: MAPPED.address, port: 30_000 + i });
        if (hears(rig.clear(), honest, source).all('bubble', honest).length === 1) answered++;
      }
      expect(answered).toBe(20);
    }
  });
});

describe('contacting a neighbour', () => {
  test('CL-63: a unicast bubble to its local address and port and a discovery bubble, beside those through its server', () => {
    const rig = hears(qualified()).advance(300).clear();
    rig.send(rig.data(NEIGHBOUR));
    expect(rig.kinds).toEqual([
      'bubble 192.168.1.3:50000',
      'bubble 224.0.0.253:3544',
      'bubble 192.0.2.1:4097',
      'bubble 198.51.100.118:3544',
    ]);
  });

  test('CL-49: its answer on the link, with the nonce of the indirect bubble, releases the queue', () => {
    const rig = hears(qualified()).advance(300).clear();
    proveOnLink(rig);
    expect(rig.all('data').map(({ summary }) => summary)).toEqual(['data 192.168.1.3:50000']);
  });

  test('CL-63: 600 s after its last discovery bubble it is no longer a neighbour', () => {
    const still = hears(qualified()).advanceServed(590_000).clear();
    expect(still.send(still.data(NEIGHBOUR)).all('bubble', NEIGHBOUR_LOCAL)).toHaveLength(1);
    const rig = hears(qualified()).advanceServed(601_000).clear();
    rig.send(rig.data(NEIGHBOUR));
    expect(rig.all('bubble', NEIGHBOUR_LOCAL)).toEqual([]);
    expect(rig.all('bubble', PEER_SERVER)).toHaveLength(1);
  });

  test('CL-49, CL-61: data from its local address and port is accepted, and answered there after the neighbour has proven itself', () => {
    const rig = hears(qualified());
    rig.receive(NEIGHBOUR_LOCAL, data(NEIGHBOUR, rig.address)).clear().send(rig.data(NEIGHBOUR));
    expect(rig.all('data')).toEqual([]);
    proveOnLink(rig);
    rig.clear().receive(NEIGHBOUR_LOCAL, data(NEIGHBOUR, rig.address)).send(rig.data(NEIGHBOUR));
    expect([rig.delivered.length, rig.kinds]).toEqual([1, ['data 192.168.1.3:50000']]);
  });

  describe('a host on the link forges a peer behind the same NAT', () => {
    const FORGER = at('192.168.1.66:6000');

    test('CL-49: an answer without the nonce, or with another one, does not move the peer; the real peer is found meanwhile', () => {
      const rig = hears(qualified(), FORGER).clear();
      rig.send(rig.data(NEIGHBOUR));
      const { nonce } = trailersOf(rig.find('bubble', PEER_SERVER)) as { nonce: number };
      for (let bit = 0; bit < 32; bit++)
        rig.receive(FORGER, withNonce(bubble(NEIGHBOUR, rig.address), (nonce ^ (1 << bit)) >>> 0));
      rig.receive(FORGER, bubble(NEIGHBOUR, rig.address)).receive(FORGER, data(NEIGHBOUR, rig.address));
      expect(rig.all('data')).toEqual([]);
      proveOnLink(rig);
      expect(rig.all('data').length).toBeGreaterThan(0);
      expect(rig.all('data', FORGER)).toEqual([]);
    });

    test.each([['at its mapped address'], ['on the link']])(
      'CL-49: a session with the peer %s stays there, and continues there after a pause',
      (place) => {
        const isOnLink = place === 'on the link';
        const rig = isOnLink ? hears(qualified()) : qualified();
        const there = isOnLink ? NEIGHBOUR_LOCAL : at('192.0.2.1:4097');
        if (isOnLink) proveOnLink(rig);
        else rig.receive(there, bubble(NEIGHBOUR, rig.address));
        const forge = (): void =>
          void hears(rig, FORGER)
            .receive(FORGER, bubble(NEIGHBOUR, rig.address))
            .receive(FORGER, data(NEIGHBOUR, rig.address));
        forge();
        rig.clear().send(rig.data(NEIGHBOUR));
        expect(rig.all('data').map((sent) => sent.to(there))).toEqual([true]);
        rig.advanceServed(40_000).clear();
        forge();
        rig.send(rig.data(NEIGHBOUR));
        forge();
        expect(rig.all('data')).toEqual([]);
        rig.receive(there, bubble(NEIGHBOUR, rig.address));
        expect(rig.all('data').map((sent) => sent.to(there))).toEqual([true]);
      },
    );
  });

  test('CL-49: data from another private address or port is not accepted', () => {
    const rig = hears(qualified()).clear();
    rig.receive(at('192.168.1.3:50001'), data(NEIGHBOUR, rig.address));
    rig.receive(at('192.168.1.9:50000'), bubble(NEIGHBOUR, rig.address));
    expect(rig.delivered).toEqual([]);
    expect([...rig.machine.peers(rig.now)][0].trusted).toBe(false);
  });

  test('CL-47: a datagram from outside does not move the peer from the link', () => {
    const rig = hears(qualified());
    proveOnLink(rig);
    rig.receive(at('192.0.2.1:4097'), bubble(NEIGHBOUR, rig.address)).clear().send(rig.data(NEIGHBOUR));
    expect(rig.kinds).toEqual(['data 192.168.1.3:50000']);
  });

  test('CL-49: a peer behind another NAT that is already reached is not moved to the link', () => {
    const mapped = at('192.0.2.99:4097');
    const foreign = teredo(PEER_SERVER, mapped);
    const rig = qualified();
    rig.receive(mapped, bubble(foreign, rig.address));
    hears(rig, NEIGHBOUR_LOCAL, foreign);
    rig.receive(NEIGHBOUR_LOCAL, bubble(foreign, rig.address)).clear().send(rig.data(foreign));
    expect(rig.kinds).toEqual(['data 192.0.2.99:4097']);
  });

  test('CL-49: forged discovery bubbles of a peer behind another NAT neither delay nor replace the contact through its server', () => {
    const mapped = at('192.0.2.99:4097');
    const foreign = teredo(PEER_SERVER, mapped);
    const rig = hears(qualified(), NEIGHBOUR_LOCAL, foreign).clear();
    rig.send(rig.data(foreign));
    expect(rig.kinds).toContain('bubble 198.51.100.118:3544');
    rig.clear().receive(NEIGHBOUR_LOCAL, bubble(foreign, rig.address));
    expect(rig.all('data')).toEqual([]);
    expect(rig.machine.counters.droppedForgedSource).toBe(1);
    rig.receive(mapped, bubble(foreign, rig.address));
    expect(rig.all('data').map((sent) => sent.to(mapped))).toEqual([true]);
  });

  test('CL-49: they do not take over a session after a pause either', () => {
    const mapped = at('192.0.2.99:4097');
    const foreign = teredo(PEER_SERVER, mapped);
    const rig = qualified();
    rig.receive(mapped, bubble(foreign, rig.address)).advanceServed(40_000);
    hears(rig, NEIGHBOUR_LOCAL, foreign);
    rig.receive(NEIGHBOUR_LOCAL, bubble(foreign, rig.address)).clear().send(rig.data(foreign));
    expect(rig.all('data')).toEqual([]);
    expect(rig.receive(mapped, bubble(foreign, rig.address)).all('data', mapped)).toHaveLength(1);
  });

  test('an unknown peer behind the same NAT: a discovery bubble beside the others', () => {
    const rig = qualified().advance(1_000).clear();
    rig.send(rig.data(NEIGHBOUR));
    expect(rig.kinds).toEqual([
      'bubble 224.0.0.253:3544',
      'bubble 192.0.2.1:4097',
      'bubble 198.51.100.118:3544',
    ]);
  });
});

describe('two clients on the link of a NAT that does not hairpin: the first reply within 1 s', () => {
  const PLACES = [
    { local: at('192.168.1.2:40000'), mapped: at('192.0.2.1:4096') },
    { local: at('192.168.1.3:40001'), mapped: at('192.0.2.1:4097') },
  ];

  /** The link and the path through the server, 1 ms each; datagrams to the NAT's outside address are lost. */
  class Link {
    readonly rigs: (ClientRig | undefined)[] = [undefined, undefined];
    now = 10_000;
    /** Number of discovery bubbles to lose. */
    losses = 0;

    join(i: number): ClientRig {
      const rig = new ClientRig({ network: network(i), servicePort: PLACES[i].local.port }, i + 5);
      rig.now = this.now;
      rig.start().answer(rig.sent[0], { origin: PLACES[i].mapped });
      rig.answer(rig.find('solicitation', SECONDARY), { from: SECONDARY, origin: PLACES[i].mapped });
      this.rigs[i] = rig;
      rig.sent = rig.all('bubble');
      return rig;
    }

    run(ms: number): void {
      for (const end = this.now + ms; this.now < end; this.now++) {
        const moving = this.rigs.map((rig) => rig?.sent.splice(0) ?? []);
        this.rigs.forEach((rig) => rig?.advance(this.now - rig.now));
        moving.forEach((sent, i) => sent.forEach((one) => this.carry(one, i)));
      }
    }

    private carry(one: Sent, i: number): void {
      const from = PLACES[i];
      const to = PLACES[1 - i];
      const rig = this.rigs[1 - i];
      if (one.kind === 'solicitation') this.rigs[i]!.answer(one, { origin: from.mapped });
      else if (one.to(GROUP) && this.losses > 0) this.losses--;
      else if (one.to(GROUP)) rig?.receive(from.local, one.bytes, DISCOVERY);
      else if (one.to(to.local)) rig?.receive(from.local, one.bytes);
      else if (one.to(PRIMARY)) rig?.receive(PRIMARY, withOrigin(from.mapped, one.bytes));
    }
  }

  /** Client `i` pings the other; returns the round trip. */
  function ping(link: Link, i: number): number {
    const [mine, other] = [link.rigs[i]!, link.rigs[1 - i]!];
    const from = link.now;
    mine.delivered = [];
    other.delivered = [];
    mine.send(mine.data(other.address));
    let replied = false;
    while (mine.delivered.length === 0 && link.now - from < 20_000) {
      link.run(1);
      if (!replied && other.delivered.length > 0) {
        replied = true;
        other.send(other.data(mine.address));
      }
    }
    return link.now - from;
  }

  for (const pinger of [0, 1]) {
    for (const wait of [0, 5, 100, 1_000, 60_000]) {
      test(`CL-63: ${pinger === 0 ? 'the elder' : 'the younger'} begins ${wait} ms after the younger joined`, () => {
        const link = new Link();
        link.join(0);
        link.run(5_000);
        link.join(1);
        link.run(wait);
        expect(ping(link, pinger)).toBeLessThan(1_000);
      });
    }
    test(`CL-63: client ${pinger} begins, and all discovery bubbles until then were lost`, () => {
      const link = new Link();
      link.losses = 2;
      link.join(0);
      link.run(5_000);
      link.join(1);
      link.run(20_000);
      expect(ping(link, pinger)).toBeLessThan(1_000);
    });
  }

  function network(i: number): {
    subnets: { address: number; prefixLength: number }[];
    localAddress: number;
  } {
    return {
      subnets: [{ address: v4('192.168.1.0'), prefixLength: 24 }],
      localAddress: PLACES[i].local.address,
    };
  }
});
