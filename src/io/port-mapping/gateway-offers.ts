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
  /** Nobody is waited for longer than this where nothing else is. */
  readonly leastMs: number;
}

/** Who is asked by SSDP may take 1 s (MX). */
const TIMES: OfferTimes = { mostMs: 2_500, leastMs: 1_500 };

/** After the end of the search each protocol says what it has found; one that says nothing is not waited for. */
const SETTLE_MS = 1_000;

export interface ProtocolOffer {
  readonly protocol: PortMappingProtocol;
  /** Undefined: nobody speaks it. */
  readonly offer: Offer | undefined;
}

export interface GatewayOffers {
  readonly gateway: Ipv4;
  /** The best first. */
  readonly protocols: readonly ProtocolOffer[];
}

/**
 * Asks the gateway on the way to `destination` which port mapping protocols it speaks, by requests that map nothing: PCP ANNOUNCE, NAT-PMP's
 * external address, SSDP and GetExternalIPAddress. Takes 2.5 s at the most, or until `others` have settled, but for these 1.5 s at the
 * least. Undefined where no gateway is on the way. Rejects never.
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
    return undefined; // without netlink there is no way to find the gateway
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
