import type { Subnet } from '../../core/address-policy.ts';
import type { Endpoint, Ipv4 } from '../../wire/index.ts';
import type { PortMappingProtocol } from '../ports.ts';
import { within } from '../deadline.ts';
import { allProtocols } from './all-protocols.ts';
import type { Offer, Protocol } from './protocol.ts';
import { wayToGateway } from './way-to-gateway.ts';

export interface OfferTimes {
  /** For all protocols together. */
  readonly mostMs: number;
  /** The least time that each protocol gets, if nothing else takes longer. */
  readonly leastMs: number;
}

/** A host may delay its answer to SSDP by 1 s (MX). */
const TIMES: OfferTimes = { mostMs: 2_500, leastMs: 1_500 };

/** The time for each protocol to report after the end of the search; one that does not is left out. */
const SETTLE_MS = 1_000;

export interface ProtocolOffer {
  readonly protocol: PortMappingProtocol;
  /** Undefined: no host answers in this protocol. */
  readonly offer: Offer | undefined;
}

export interface GatewayOffers {
  readonly gateway: Ipv4;
  /** The best first. */
  readonly protocols: readonly ProtocolOffer[];
}

/**
 * Asks the gateway on the way to `destination` which port mapping protocols it speaks, by requests that map nothing: PCP ANNOUNCE,
 * NAT-PMP's external address, SSDP and GetExternalIPAddress. Ends after 2.5 s, or when `others` have settled, but not before 1.5 s.
 * Undefined if no gateway is on the way. Never rejects.
 */
export async function gatewayOffers(
  local: Endpoint,
  destination: Ipv4,
  subnets: readonly Subnet[],
  others: Promise<unknown> = new Promise(() => undefined),
): Promise<GatewayOffers | undefined> {
  try {
    const way = wayToGateway(local, destination);
    if (way === undefined) return undefined;
    const search = new AbortController();
    const protocols = await offersOf(allProtocols(way, 0, subnets, search.signal), search, others);
    return { gateway: way.gateway, protocols };
  } catch {
    return undefined; // without netlink a gateway cannot be found
  }
}

/** Ends the search of the protocols when its time is over. */
export async function offersOf(
  protocols: readonly Protocol[],
  search: AbortController,
  others: Promise<unknown>,
  { mostMs, leastMs }: OfferTimes = TIMES,
): Promise<ProtocolOffer[]> {
  const giveUp = (): void => search.abort();
  const timers = [setTimeout(giveUp, mostMs)];
  const startedAt = performance.now();
  const hurry = (): void => {
    if (timers.length > 0) timers.push(setTimeout(giveUp, leastMs - (performance.now() - startedAt)));
  };
  void others.then(hurry, hurry);
  try {
    return await Promise.all(
      protocols.map(async (protocol) => ({
        protocol: protocol.name,
        offer: await within(mostMs + SETTLE_MS, protocol.offer(), undefined),
      })),
    );
  } finally {
    for (const timer of timers.splice(0)) clearTimeout(timer);
  }
}
