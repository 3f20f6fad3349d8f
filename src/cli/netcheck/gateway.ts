import { isPrivate } from '../../core/address-policy.ts';
import type { GatewayOffers, ProtocolOffer } from '../../io/port-mapping/gateway-offers.ts';
import type { PortMappingProtocol } from '../../io/ports.ts';
import { formatIpv4 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { PROTOCOL_NAMES } from '../../daemon/port-mapping.ts';
import type { NatBehaviour } from './nat-behaviour.ts';

/** The result of asking the gateway to open a port. */
export type Opening =
  /** Where servers see us, it opens one. */
  | 'works'
  /** It speaks a protocol that tells no address before there is a mapping. */
  | 'unknown-address'
  /** The port that it opens is not at the address that servers see: its outer address is another, or none. */
  | 'second-nat'
  /** It has no address outside, and no server sees us either. */
  | 'offline'
  | 'refused'
  | 'none';

/** `offers`: undefined where there is no gateway on the way. */
export interface GatewayFindings {
  readonly offers: GatewayOffers | undefined;
}

export function openingOf(
  { offers }: GatewayFindings,
  behaviour: Pick<NatBehaviour, 'externalAddresses'> | undefined,
): Opening {
  const spoken = (offers?.protocols ?? []).flatMap(({ offer }) => offer ?? []);
  if (spoken.length === 0) return 'none';
  const open = spoken.filter(({ isRefused }) => isRefused !== true);
  if (open.length === 0) return 'refused';
  const addresses = open.flatMap(({ external }) => external ?? []);
  if (addresses.length === 0) return 'unknown-address';
  const named = addresses.filter((address) => address !== 0);
  const seen = behaviour?.externalAddresses ?? [];
  if (named.length === 0 && seen.length === 0) return 'offline';
  const isOuter = (address: Ipv4): boolean =>
    seen.length > 0 ? seen.includes(formatIpv4(address)) : !isInner(address);
  return named.some(isOuter) ? 'works' : 'second-nat';
}

/** The protocols in which it is worth asking, in words. */
export function protocolsInWords({ offers }: GatewayFindings): string {
  const names = (offers?.protocols ?? []).flatMap(({ protocol, offer }) =>
    offer === undefined || offer.isRefused === true ? [] : PROTOCOL_NAMES[protocol],
  );
  return names.join(', ');
}

export function gatewayInJson(
  findings: GatewayFindings,
  behaviour: Pick<NatBehaviour, 'externalAddresses'> | undefined,
): unknown {
  const { offers } = findings;
  return {
    ...(offers === undefined ? {} : { gateway: formatIpv4(offers.gateway) }),
    opening: openingOf(findings, behaviour),
    protocols: (offers?.protocols ?? []).map(({ protocol, offer }) => ({
      protocol,
      found: offer !== undefined,
      ...(offer?.external === undefined || offer.external === 0
        ? {}
        : { externalAddress: formatIpv4(offer.external) }),
      ...(offer?.isRefused === true ? { refused: true } : {}),
      ...(offer === undefined || offer.by === offers!.gateway ? {} : { by: formatIpv4(offer.by) }),
    })),
  };
}

export function gatewayInWords(
  findings: GatewayFindings,
  behaviour: Pick<NatBehaviour, 'externalAddresses'> | undefined,
): string[] {
  const { offers } = findings;
  if (offers === undefined) return ['Port mapping: there is no gateway on the way to the server.'];
  const gateway = formatIpv4(offers.gateway);
  const opening = openingOf(findings, behaviour);
  if (opening === 'none')
    return [`Port mapping: the gateway ${gateway} speaks none of PCP, NAT-PMP and UPnP IGD.`];
  const width = Math.max(...offers.protocols.map(({ protocol }) => LONG_NAMES[protocol].length));
  return [
    `Port mapping protocols of the gateway ${gateway}:`,
    ...offers.protocols.map(
      (one) => `  ${LONG_NAMES[one.protocol].padEnd(width)}  ${offerInWords(one, offers.gateway)}`,
    ),
    ...(opening === 'second-nat' ? [`  ${secondNatInWords(offers, behaviour)}`] : []),
  ];
}

function offerInWords({ offer }: ProtocolOffer, gateway: Ipv4): string {
  if (offer === undefined) return 'no';
  const yes = offer.by === gateway ? 'yes' : `yes, by ${formatIpv4(offer.by)}, not by the gateway itself`;
  if (offer.isRefused === true) return `${yes}, but it does not let this host ask`;
  if (offer.external === undefined) return yes;
  if (offer.external === 0) return `${yes}, but it names no address outside`;
  return `${yes}; its address outside is ${formatIpv4(offer.external)}`;
}

/** Why a port that it opens leads nowhere. */
function secondNatInWords(
  offers: GatewayOffers,
  behaviour: Pick<NatBehaviour, 'externalAddresses'> | undefined,
): string {
  const outside = offers.protocols.flatMap(({ offer }) => offer?.external ?? []).find((one) => one !== 0);
  const seen = behaviour?.externalAddresses ?? [];
  const servers = seen.length === 0 ? '' : `, and servers see ${seen.join(', ')}`;
  if (outside === undefined)
    return `Servers see ${seen.join(', ')}: a gateway that names no address then is behind a second NAT.`;
  if (isPrivate(outside)) return `That address is private${servers}: the gateway is behind a second NAT.`;
  if (isInner(outside))
    return `That address is a carrier's (RFC 6598, 6333)${servers}: the gateway is behind a second NAT.`;
  return `Servers see ${seen.join(', ')}: the gateway is behind a second NAT, or has several ways out.`;
}

/** No address of the Internet: RFC 1918, 100.64.0.0/10 (RFC 6598), 192.0.0.0/29 (RFC 6333 section 10), 169.254.0.0/16 (RFC 3927). */
function isInner(address: Ipv4): boolean {
  return (
    isPrivate(address) ||
    address >>> 22 === 0x64400000 >>> 22 ||
    address >>> 3 === 0xc0000000 >>> 3 ||
    address >>> 16 === 0xa9fe
  );
}

const LONG_NAMES: Readonly<Record<PortMappingProtocol, string>> = { ...PROTOCOL_NAMES, upnp: 'UPnP IGD' };
