import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  LOCAL,
  MAPPED,
  PRIMARY,
  SECONDARY,
  SERVERS,
  at,
  teredo,
  v4,
  v6,
} from '../../../../test/support/client-rig.ts';
import type { AnswerOptions } from '../../../../test/support/client-rig.ts';
import {
  CONE_FLAG,
  flagsOf,
  makeLinkLocal,
  mappedAddressOf,
  mappedPortOf,
  serverOf,
  toHex,
  writeUint16,
} from '../../../wire/index.ts';
import { sealIcmpv6 } from '../../../wire/icmpv6.ts';
import { data } from '../../../../test/support/client-rig.ts';

const OTHER = at('198.51.100.9:3544');
const OTHER_SECONDARY = at('198.51.100.10:3544');
const TWO = [...SERVERS, { primary: OTHER.address, secondary: OTHER_SECONDARY.address }];

describe('start action', () => {
  test('CL-10, CL-20, C-20: a solicitation from a link-local address to the server, port 3544', () => {
    const rig = new ClientRig().start();
    expect(rig.kinds).toEqual(['solicitation 203.0.113.120:3544']);
    const [rs] = rig.sent;
    expect(rs.socket).toBe(0);
    expect(rs.source).toEqual(makeLinkLocal({ flags: 0, mappedPort: 40_000, mappedAddress: LOCAL }));
    expect(toHex(rs.destination)).toBe('ff020000000000000000000000000002');
    expect(rs.bytes.length).toBe(61);
  });

  test('CL-11, U-5, U-9: the cone bit is 0 from the first solicitation on', () => {
    const rig = new ClientRig().start();
    expect(rig.sent[0].source[8] & 0x80).toBe(0);
  });

  test('CL-12, CL-13: three solicitations 4 s apart, off-line at 12 s, again after 5 s', () => {
    const rig = new ClientRig().start();
    rig.advance(11_999);
    expect(rig.sent.map(({ time }) => time - 10_000)).toEqual([0, 4_000, 8_000]);
    expect(rig.machine.state).toBe('probe');
    rig.advance(1);
    expect(rig.machine.state).toBe('offline');
    expect(rig.status.reason).toBe('no-answer');
    rig.clear().advance(3_999);
    expect(rig.sent).toEqual([]);
    rig.advance(2_001);
    expect(rig.kinds).toEqual(['solicitation 203.0.113.120:3544']);
  });

  test('CL-4: only solicitations are sent before qualification', () => {
    const rig = new ClientRig().start();
    rig.send(data(teredo(PRIMARY, MAPPED), v6('2001:db8::1')));
    rig.receive(PRIMARY, data(v6('2001:db8::1'), teredo(PRIMARY, MAPPED)));
    rig.advance(5_000);
    expect(new Set(rig.sent.map(({ kind }) => kind))).toEqual(new Set(['solicitation']));
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedUnqualifiedOutbound).toBe(1);
  });

  test('CL-31, CL-33, CL-34: each solicitation has a nonce of its own, no identifier and confirmation 0', () => {
    const rig = new ClientRig().start().advance(8_000);
    expect(new Set(rig.sent.map(({ nonce }) => toHex(nonce))).size).toBe(3);
    for (const { bytes } of rig.sent) expect([...bytes.slice(0, 4), bytes[12]]).toEqual([0, 1, 0, 0, 0]);
  });
});

describe('the primary address has answered', () => {
  test('CL-1, CL-22: the secondary address is asked at once, with the cone bit 0', () => {
    const rig = new ClientRig().start();
    rig.answer(rig.sent[0]);
    expect(rig.kinds[1]).toBe('solicitation 203.0.113.121:3544');
    expect(rig.sent[1].source).toEqual(rig.sent[0].source);
    expect(rig.machine.address).toBeUndefined();
  });

  test('CL-22: a mute secondary address means off-line', () => {
    const rig = new ClientRig().start();
    rig.answer(rig.sent[0]).advance(12_000);
    expect(rig.all('solicitation', SECONDARY)).toHaveLength(3);
    expect(rig.machine.address).toBeUndefined();
    expect(rig.status.reason).toBe('no-answer-secondary');
  });

  test('E-20: if the secondary sees another mapping the NAT is symmetric: the address uses the mapping of the primary', () => {
    for (const origin of [at('192.0.2.1:4097'), at('192.0.2.2:4096')]) {
      const rig = new ClientRig().start();
      rig.answer(rig.sent[0]).answer(rig.sent[1], { from: SECONDARY, origin });
      expect([rig.machine.state, rig.status.reason]).toEqual(['qualified', undefined]);
      expect(rig.status.nat).toBe('symmetric');
      expect(rig.status.mapped).toEqual(at('192.0.2.1:4096'));
    }
  });

  test('CL-23: with RFC 4380 alone it is off-line', () => {
    for (const origin of [at('192.0.2.1:4097'), at('192.0.2.2:4096')]) {
      const rig = new ClientRig({ symmetricNat: false }).start();
      rig.answer(rig.sent[0]).answer(rig.sent[1], { from: SECONDARY, origin });
      expect([rig.machine.state, rig.status.reason]).toEqual(['offline', 'symmetric-nat']);
      expect(rig.status.nat).toBe('symmetric');
      expect(rig.machine.address).toBeUndefined();
    }
  });

  test('CL-23: if another server does not see two mappings, that one is used', () => {
    const [primary, secondary] = [at('198.51.100.1:3544'), at('198.51.100.2:3544')];
    const other = { primary: primary.address, secondary: secondary.address };
    for (const order of ['first', 'last']) {
      const rig = new ClientRig({ servers: [...SERVERS, other] }).start();
      const [ofFirst, ofOther] = rig.sent;
      if (order === 'last') rig.answer(ofOther, { from: primary, prefixServer: primary.address });
      rig.answer(ofFirst).advance(1_000);
      rig.answer(sentTo(rig, SECONDARY), { from: SECONDARY, origin: at('192.0.2.1:4097') });
      expect(rig.machine.state).toBe('probe');
      if (order === 'first') rig.answer(ofOther, { from: primary, prefixServer: primary.address });
      rig.answer(sentTo(rig, secondary), { from: secondary, prefixServer: primary.address });
      expect([rig.machine.state, rig.status.nat]).toEqual(['qualified', 'restricted']);
    }
  });

  test('if there are more servers than are asked at once, each of them is asked', () => {
    const servers = Array.from({ length: 20 }, (_, i) => ({
      primary: v4(`198.51.100.${i + 1}`),
      secondary: undefined,
    }));
    const rig = new ClientRig({ servers }).start();
    for (let i = 0; i < 60; i++) rig.advance(1_000);
    expect(new Set(rig.sent.map(({ address }) => address)).size).toBe(20);
  });

  test('CL-24, CL-25, CL-19, C-4: the same mapping: qualified, with an address of prefix, origin and random bits', () => {
    const rig = new ClientRig().qualify();
    const { address } = rig;
    expect(rig.machine.state).toBe('qualified');
    expect(rig.status.nat).toBe('restricted');
    expect(rig.status.symmetricNatRuledOut).toBe(true);
    expect(serverOf(address, 0)).toBe(PRIMARY.address);
    expect(mappedAddressOf(address, 0)).toBe(MAPPED.address);
    expect(mappedPortOf(address, 0)).toBe(MAPPED.port);
  });

  test('no NAT at all: the mapped address is the local one', () => {
    const network = { subnets: [], localAddress: MAPPED.address };
    const rig = new ClientRig({ network, servicePort: MAPPED.port }).qualify();
    expect(rig.status.nat).toBe('none');
  });

  test('U-1, U-2, U-3: twelve random flag bits, the others 0', () => {
    const ones = Array.from({ length: 16 }, () => 0);
    for (let seed = 1; seed <= 500; seed++) {
      const flags = flagsOf(new ClientRig({}, seed * 7_919).qualify().address, 0);
      expect(flags & 0xc300).toBe(0);
      for (let bit = 0; bit < 16; bit++) ones[bit] += (flags >>> bit) & 1;
    }
    const random = ones.filter((count) => count > 0);
    expect(random).toHaveLength(12);
    for (const count of random) expect(count / 500).toBeGreaterThan(0.35);
    for (const count of random) expect(count / 500).toBeLessThan(0.65);
  });
});

describe('one IPv4 address only', () => {
  test('CL-22: a server without a secondary qualifies, but a symmetric NAT is possible', () => {
    const rig = new ClientRig({ servers: [{ primary: PRIMARY.address, secondary: undefined }] }).start();
    rig.answer(rig.sent[0]);
    expect(rig.machine.state).toBe('qualified');
    expect(rig.status.nat).toBe('restricted');
    expect(rig.status.symmetricNatRuledOut).toBe(false);
  });

  test('CL-22: with requireSecondary off a mute secondary does not matter', () => {
    const rig = new ClientRig({ requireSecondary: false }).start();
    rig.answer(rig.sent[0]).advance(12_000);
    expect(rig.machine.state).toBe('qualified');
    expect(rig.status.symmetricNatRuledOut).toBe(false);
  });
});

describe('invalid answers', () => {
  const spoilt: Record<string, AnswerOptions> = {
    'CL-14: without origin': { withOrigin: false },
    'CL-15: hop limit 64': { spoil: (b, o) => void (b[o + 7] = 64) },
    'CL-15: bad checksum': { spoil: (b, o) => void (b[o + 42] ^= 1) },
    'CL-15: code 1': { packet: resealed((p) => void (p[41] = 1)) },
    'CL-15: global source': { packet: resealed((p) => p.set(v6('2001:db8::9'), 8)) },
    'CL-16: to the other cone value': {
      destination: makeLinkLocal({ flags: CONE_FLAG, mappedPort: 40_000, mappedAddress: LOCAL }),
    },
    'CL-17: no prefix': {
      packet: (p) =>
        shortened(p, [
          [0, 56],
          [88, 96],
        ]),
    },
    'CL-17: two prefixes': {
      packet: (p) =>
        shortened(p, [
          [0, 88],
          [56, 96],
        ]),
    },
    'CL-18: the prefix of another server': { prefixServer: OTHER.address },
    'CL-18: not 2001:0::/32': { packet: resealed((p) => p.set([0x3f, 0xfe, 0x83, 0x1f], 72)) },
    'CL-18: a /32': { packet: resealed((p) => void (p[58] = 32)) },
    'CL-26, C-7: origin not global': { origin: at('10.1.1.1:4096') },
    'A-20: from another address': { from: at('203.0.113.99:3544') },
    'A-20: from another port': { from: at('203.0.113.120:3545') },
    'CL-32: another nonce': { nonce: new Uint8Array(8) },
    'CL-30: no authentication': { withAuthentication: false },
  };
  for (const [name, options] of Object.entries(spoilt)) {
    test(`${name} - ignored, and the next solicitation is on time (CL-20)`, () => {
      const rig = new ClientRig().start().advance(1_000);
      rig.answer(rig.sent[0], options);
      expect(rig.sent).toHaveLength(1);
      rig.advance(3_000);
      expect(rig.sent.map(({ time }) => time - 10_000)).toEqual([0, 4_000]);
      rig.answer(rig.sent[1]);
      expect(rig.kinds[2]).toBe('solicitation 203.0.113.121:3544');
    });
  }

  test('C-13, C-16: a truncated answer changes nothing', () => {
    const rig = new ClientRig().start();
    let length = 0;
    rig.answer(rig.sent[0], { spoil: (b) => void (length = b.length), nonce: new Uint8Array(8) });
    for (let n = 0; n < length; n++) {
      const whole = new ClientRig().start();
      const bytes = new Uint8Array(n);
      whole.receive(PRIMARY, bytes);
      expect(whole.sent).toHaveLength(1);
    }
  });

  test("one server's two addresses may both be asked first, in any order", () => {
    const rig = new ClientRig({
      servers: [
        { primary: SECONDARY.address, secondary: undefined },
        { primary: PRIMARY.address, secondary: SECONDARY.address },
      ],
    }).start();
    rig.answer(rig.find('solicitation', PRIMARY));
    rig.answer(rig.sent.at(-1)!, { from: SECONDARY });
    expect(rig.machine.state).toBe('qualified');
    expect(rig.status.server).toBe(1);
  });

  test('the reason is reported: not global, authentication, invalid', () => {
    const reasons = [
      [{ origin: at('10.1.1.1:1') }, 'mapping-not-global'],
      [{ nonce: new Uint8Array(8) }, 'authentication-failed'],
      [{ withOrigin: false }, 'invalid-answer'],
      [{ from: at('198.51.100.1:3544') }, 'answer-from-elsewhere'],
    ] as const;
    for (const [options, reason] of reasons) {
      const rig = new ClientRig().start();
      rig.answer(rig.sent[0], options).advance(12_000);
      expect(rig.status.reason).toBe(reason);
    }
  });
});

describe('legacy cone phase', () => {
  test('CL-11, CL-21, A-20: cone bit 1 answered from another address: cone NAT, no secondary asked', () => {
    const rig = new ClientRig({ legacyCone: true }).start();
    expect(rig.sent[0].source[8] & 0x80).toBe(0x80);
    rig.answer(rig.sent[0], { from: PRIMARY });
    expect(rig.machine.state).toBe('probe');
    rig.answer(rig.sent[0], { from: SECONDARY });
    expect(rig.status.nat).toBe('cone');
    expect(flagsOf(rig.address, 0) & CONE_FLAG).toBe(CONE_FLAG);
    expect(rig.all('solicitation')).toHaveLength(1);
  });

  test('CL-13: three with the cone bit, then three without, then off-line', () => {
    const rig = new ClientRig({ legacyCone: true }).start().advance(24_000);
    expect(rig.sent.map(({ source }) => source[8] >>> 7)).toEqual([1, 1, 1, 0, 0, 0]);
    expect(rig.machine.state).toBe('offline');
  });

  test('CL-80: refreshed with the cone bit that qualified', () => {
    const rig = new ClientRig({ legacyCone: true }).start();
    rig.answer(rig.sent[0], { from: SECONDARY }).clear().advance(30_000);
    expect(rig.all('solicitation')[0].source[8] & 0x80).toBe(0x80);
  });
});

describe('several servers', () => {
  test('all are asked at once, the first to answer wins', () => {
    const rig = new ClientRig({ servers: TWO }).start();
    expect(rig.kinds).toEqual(['solicitation 203.0.113.120:3544', 'solicitation 198.51.100.9:3544']);
    rig.advance(30).answer(rig.sent[1], { from: OTHER, prefixServer: OTHER.address });
    expect(rig.kinds[2]).toBe('solicitation 198.51.100.10:3544');
    rig.answer(rig.sent[2], { from: OTHER_SECONDARY, prefixServer: OTHER.address });
    expect(rig.status.server).toBe(1);
    expect(rig.status.roundTripMs).toBe(30);
    expect(rig.status.serverResults[1].answers).toHaveLength(2);
    expect(rig.status.serverResults[0].answers).toHaveLength(0);
    expect(rig.events.find(({ type }) => type === 'server-chosen')).toMatchObject({
      server: 1,
      roundTripMs: 30,
    });
  });

  test('a server with a mute secondary is replaced by the next within a second', () => {
    const rig = new ClientRig({ servers: TWO }).start();
    rig.answer(rig.sent[0]).answer(rig.sent[1], { from: OTHER, prefixServer: OTHER.address });
    rig.advance(1_000);
    rig.answer(rig.find('solicitation', OTHER_SECONDARY), {
      from: OTHER_SECONDARY,
      prefixServer: OTHER.address,
    });
    expect(rig.status.server).toBe(1);
  });

  test('no more than eight are asked', () => {
    const servers = Array.from({ length: 12 }, (_, i) => ({ primary: 0x01020300 + i, secondary: undefined }));
    expect(new ClientRig({ servers }).start().sent).toHaveLength(8);
  });

  test('CL-23: after two mappings, a server with one address counts only if another server sees the same mapping', () => {
    const servers = [SERVERS[0], { primary: OTHER.address, secondary: undefined }];
    const fromOther = { from: OTHER, prefixServer: OTHER.address };
    const contradicted = (): ClientRig => {
      const rig = new ClientRig({ servers }).start();
      rig.answer(rig.find('solicitation', PRIMARY));
      const asked = rig.find('solicitation', SECONDARY);
      return rig.answer(asked, { from: SECONDARY, origin: at('192.0.2.1:4097') });
    };
    const agreeing = contradicted();
    agreeing.answer(agreeing.find('solicitation', OTHER), fromOther);
    expect([agreeing.machine.state, agreeing.status.server]).toEqual(['qualified', 1]);

    const differing = contradicted();
    differing.answer(differing.find('solicitation', OTHER), { ...fromOther, origin: at('192.0.2.1:4098') });
    expect([differing.machine.state, differing.status.nat]).toEqual(['qualified', 'symmetric']);
  });

  test('E-20: the wait for silent servers is at most a second', () => {
    const rig = new ClientRig({
      servers: [...SERVERS, { primary: OTHER.address, secondary: undefined }],
    }).start();
    rig.answer(rig.find('solicitation', PRIMARY));
    rig.answer(rig.find('solicitation', SECONDARY), { from: SECONDARY, origin: at('192.0.2.1:4097') });
    expect(rig.advance(900).machine.state).toBe('probe');
    rig.advance(200);
    expect([rig.machine.state, rig.status.nat, rig.status.server]).toEqual(['qualified', 'symmetric', 0]);
  });

  test('no server: off-line, until there is one', () => {
    const rig = new ClientRig({ servers: [] }).start();
    expect([rig.machine.state, rig.status.reason]).toEqual(['offline', 'no-server']);
    rig.machine.setServers(SERVERS, rig.now);
    rig.drain();
    expect(rig.all('solicitation', PRIMARY)).toHaveLength(1);
  });
});

function resealed(change: (packet: Uint8Array) => void): (packet: Uint8Array) => Uint8Array {
  return (packet) => {
    change(packet);
    sealIcmpv6(packet, 0);
    return packet;
  };
}

/** A packet made from these parts of the given one. */
function shortened(packet: Uint8Array, parts: readonly (readonly [number, number])[]): Uint8Array {
  const pieces = parts.flatMap(([from, to]) => [...packet.subarray(from, to)]);
  const result = Uint8Array.from(pieces);
  writeUint16(result, 4, result.length - 40);
  sealIcmpv6(result, 0);
  return result;
}

function sentTo(rig: ClientRig, place: { readonly address: number }): ClientRig['sent'][number] {
  return rig.sent.findLast(({ address }) => address === place.address)!;
}
