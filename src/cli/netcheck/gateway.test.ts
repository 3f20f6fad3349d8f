import { describe, expect, test } from 'vitest';
import { v4 } from '../../../test/support/client-rig.ts';
import type { Offer } from '../../io/port-mapping/protocol.ts';
import type { NatKind } from '../../core/events.ts';
import { adviceOf } from './advice.ts';
import { gatewayInJson, gatewayInWords, openingOf } from './gateway.ts';
import type { GatewayFindings } from './gateway.ts';
import type { NatBehaviour } from './nat-behaviour.ts';
import { reachOf } from './reach.ts';

const GATEWAY = v4('192.168.1.1');
const BEHAVIOUR: NatBehaviour = {
  present: true,
  mapping: 'address-dependent-or-stricter',
  seenFrom: ['192.0.2.1', '192.0.2.2'],
  filtering: 'address-dependent-or-stricter',
  portPreservation: 'no',
  portAllocation: 'random',
  hairpinning: 'unknown',
  externalAddresses: ['198.51.100.1'],
};

/** The answer of each protocol: an external address, `0.0.0.0`, `refused`, `yes` without an address, or nothing. */
function found(pcp?: string, natPmp?: string, upnp?: string, by = GATEWAY): GatewayFindings {
  const offer = (said: string | undefined): Offer | undefined => {
    if (said === undefined) return undefined;
    if (said === 'refused') return { by, isRefused: true };
    return said === 'yes' ? { by } : { by, external: v4(said) };
  };
  return {
    offers: {
      gateway: GATEWAY,
      protocols: [
        { protocol: 'pcp', offer: offer(pcp) },
        { protocol: 'nat-pmp', offer: offer(natPmp) },
        { protocol: 'upnp', offer: offer(upnp) },
      ],
    },
  };
}
const words = (findings: GatewayFindings, behaviour: NatBehaviour | undefined = BEHAVIOUR): string =>
  gatewayInWords(findings, behaviour).join('\n');
const advice = (gateway: GatewayFindings, nat: NatKind = 'symmetric', behaviour = BEHAVIOUR) =>
  adviceOf({ works: true, nat, behaviour, gateway });

describe('results of asking', () => {
  test.for([
    ['none', found()],
    ['none', { offers: undefined }],
    ['works', found('yes', '198.51.100.1', '198.51.100.1')],
    ['works', found(undefined, undefined, '198.51.100.1')],
    ['works', found(undefined, '0.0.0.0', '198.51.100.1')],
    ['works', found('refused', undefined, '198.51.100.1')],
    ['unknown-address', found('yes')],
    ['second-nat', found('yes', '0.0.0.0', '0.0.0.0')],
    ['refused', found('refused', 'refused')],
    ['second-nat', found(undefined, '100.64.1.1')],
    ['second-nat', found(undefined, undefined, '192.168.178.20')],
    ['second-nat', found(undefined, '203.0.113.9')],
  ] as const)('%s', ([opening, findings]) => {
    expect(openingOf(findings, BEHAVIOUR)).toBe(opening);
  });

  test('without a server to see us, the address alone says whether there is a second NAT', () => {
    const inner = [
      '10.0.0.1',
      '172.16.3.1',
      '192.168.1.2',
      '100.64.0.1',
      '100.127.255.255',
      '192.0.0.2',
      '169.254.1.1',
    ];
    for (const address of inner)
      expect(openingOf(found(undefined, address), undefined), address).toBe('second-nat');
    for (const address of ['100.63.0.1', '100.128.0.1', '192.0.0.8', '198.51.100.1'])
      expect(openingOf(found(undefined, address), undefined), address).toBe('works');
  });

  test('a gateway without an address is off-line, if no server sees this host', () => {
    expect(openingOf(found('yes', '0.0.0.0', '0.0.0.0'), undefined)).toBe('offline');
  });

  test('in a private cloud an address that servers see is good', () => {
    const behaviour = { ...BEHAVIOUR, externalAddresses: ['10.9.9.9'] };
    expect(openingOf(found(undefined, '10.9.9.9'), behaviour)).toBe('works');
  });
});

describe('words and JSON', () => {
  test('each protocol, with the address that it tells', () => {
    expect(words(found('yes', '198.51.100.1'))).toBe(
      [
        'Port mapping protocols of the gateway 192.168.1.1:',
        '  PCP       yes',
        '  NAT-PMP   yes; its address outside is 198.51.100.1',
        '  UPnP IGD  no',
      ].join('\n'),
    );
    expect(gatewayInJson(found('yes', '198.51.100.1'), BEHAVIOUR)).toEqual({
      gateway: '192.168.1.1',
      opening: 'works',
      protocols: [
        { protocol: 'pcp', found: true },
        { protocol: 'nat-pmp', found: true, externalAddress: '198.51.100.1' },
        { protocol: 'upnp', found: false },
      ],
    });
  });

  test('refusals, no address, and an answer from another address are reported', () => {
    expect(words(found('refused'))).toMatch(/PCP +yes, but it does not let this host ask/);
    expect(words(found(undefined, '0.0.0.0'))).toMatch(/NAT-PMP +yes, but it names no address outside/);
    const other = found(undefined, undefined, '198.51.100.1', v4('192.168.1.7'));
    expect(words(other)).toMatch(/UPnP IGD +yes, by 192\.168\.1\.7, not by the gateway itself; its/);
    expect(gatewayInJson(other, BEHAVIOUR)).toMatchObject({ protocols: [{}, {}, { by: '192.168.1.7' }] });
    expect(gatewayInJson(found('refused'), BEHAVIOUR)).toMatchObject({
      protocols: [{ refused: true }, {}, {}],
    });
  });

  test('nothing found, or no gateway: one line', () => {
    expect(words(found())).toBe(
      'Port mapping: the gateway 192.168.1.1 speaks none of PCP, NAT-PMP and UPnP IGD.',
    );
    expect(words({ offers: undefined })).toMatch(/no gateway on the way/);
    expect(gatewayInJson({ offers: undefined }, BEHAVIOUR)).toEqual({ opening: 'none', protocols: [] });
  });

  test.for([
    [
      '192.168.178.20',
      /That address is private, and servers see 198\.51\.100\.1: the gateway is behind a second NAT/,
    ],
    ['0.0.0.0', /Servers see 198\.51\.100\.1: a gateway that names no address then is behind a second NAT/],
    ['100.64.1.1', /That address is a carrier's .* the gateway is behind a second NAT/],
    [
      '203.0.113.9',
      /Servers see 198\.51\.100\.1: the gateway is behind a second NAT, or has several ways out/,
    ],
  ] as const)('behind a second NAT: %s', ([address, said]) => {
    expect(words(found(undefined, address))).toMatch(said);
  });
});

describe('advice, and which peers are reached', () => {
  test('a gateway that opens ports is left to the client', () => {
    const [first] = advice(found('yes', '198.51.100.1', '198.51.100.1'));
    expect(first).toMatchObject({ code: 'port-mapping' });
    expect(first!.text).toMatch(/\(PCP, NAT-PMP, UPnP\).*by itself.*unless --no-port-mapping/);
    expect(advice(found('refused', '198.51.100.1'))[0]!.text).toMatch(/\(NAT-PMP\)/);
    expect(advice(found('yes'))[0]).toMatchObject({ code: 'port-mapping' });
    expect(advice(found('yes', '198.51.100.1'), 'restricted')[0]).toMatchObject({ code: 'port-mapping' });
  });

  test('where it does not, or without success, the port is forwarded manually', () => {
    expect(advice(found(undefined, '100.64.1.1'))[0]).toMatchObject({ code: 'second-nat' });
    expect(advice(found())[0]!.text).toMatch(/forward a UDP port .*, or enable UPnP/);
    expect(advice(found('refused'))[0]!.text).toMatch(/let this host ask/);
    expect(advice(found('yes', '0.0.0.0'))[0]).toMatchObject({ code: 'second-nat' });
  });

  test('where all peers are let in there is nothing to be opened', () => {
    const cone = {
      ...BEHAVIOUR,
      mapping: 'endpoint-independent',
      filtering: 'endpoint-independent',
    } as const;
    expect(advice(found(), 'cone', cone).map(({ code }) => code)).toEqual(['nothing-to-do']);
  });

  test('peers that know RFC 6081 reach an open port, whatever their NAT', () => {
    const ways = (...args: Parameters<typeof reachOf>) =>
      reachOf(...args).map(({ way, atBest }) => (atBest === undefined ? way : `${atBest}-${way}`));
    expect(ways(BEHAVIOUR, 'works')).toEqual(Array.from({ length: 5 }, () => 'rfc6081'));
    expect(ways(BEHAVIOUR, 'unknown-address').slice(2)).toEqual([
      'rfc6081-guessing',
      'rfc6081-none',
      'rfc6081-none',
    ]);
    for (const opening of ['second-nat', 'offline', 'refused', 'none'] as const)
      expect(ways(BEHAVIOUR, opening)).toEqual(ways(BEHAVIOUR));
    const restricted = { ...BEHAVIOUR, mapping: 'endpoint-independent' } as const;
    expect(ways(restricted, 'works')[0], 'the ways of RFC 4380 still work').toBe('rfc4380');
  });
});
