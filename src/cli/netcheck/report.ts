import type { NatKind } from '../../core/events.ts';
import { GAI_CONF } from '../../io/address-order.ts';
import type { AddressOrder } from '../../io/address-order.ts';
import type { Ipv6Firewall } from '../../io/ipv6-firewall.ts';
import { explainReason } from '../../daemon/explain.ts';
import { formatHost } from '../values.ts';
import { adviceOf } from './advice.ts';
import type { ServerCheck } from './check-server.ts';
import { gatewayInJson, gatewayInWords, openingOf } from './gateway.ts';
import type { GatewayFindings } from './gateway.ts';
import type { UdpLifetime } from './lifetime.ts';
import type { NatBehaviour } from './nat-behaviour.ts';
import { PEERS_IN_WORDS, reachOf } from './reach.ts';
import type { Reach, Way } from './reach.ts';

/** All that was found out. */
export interface Findings {
  /** The best first; at least one. */
  readonly checks: readonly ServerCheck[];
  readonly behaviour?: NatBehaviour | undefined;
  /** The router's offers (PCP, NAT-PMP, UPnP). Absent where it was not looked for. */
  readonly gateway?: GatewayFindings | undefined;
  /** Left out where the C library's order is not known. */
  readonly addressOrder?: AddressOrder | undefined;
  /** Absent where it was not looked for. */
  readonly firewall?: Ipv6Firewall | undefined;
  /** Where it was asked for, with {@link behaviour}; `undefined` inside: it could not be measured. */
  readonly lifetime?: { readonly found: UdpLifetime | undefined } | undefined;
}

/** For programs. Fields are added within a version, never taken away. */
export function reportInJson(findings: Findings): unknown {
  const { checks, behaviour, gateway, lifetime, addressOrder, firewall } = findings;
  const best = checks[0]!;
  return {
    version: 1,
    works: best.qualified,
    nat: natOf(findings),
    ...(best.mapped === undefined ? {} : { mapped: best.mapped }),
    ...(best.reason === undefined ? {} : { reason: best.reason, message: explainReason(best.reason) }),
    servers: checks,
    ...(behaviour === undefined ? {} : { behaviour }),
    ...(behaviour === undefined || !best.qualified ? {} : { reach: reach(findings, behaviour) }),
    ...(gateway === undefined ? {} : { portMapping: gatewayInJson(gateway, behaviour) }),
    ...(lifetime === undefined ? {} : { lifetime: lifetime.found ?? null }),
    ...(addressOrder === undefined ? {} : { addressOrder: { ...addressOrder, file: GAI_CONF } }),
    ...(firewall === undefined ? {} : { firewall }),
    advice: advice(findings),
  };
}

/** For people. */
export function reportInWords(findings: Findings): string[] {
  const { checks, behaviour, gateway, lifetime, addressOrder } = findings;
  return [
    ...checks.flatMap(serverInWords),
    ...(behaviour === undefined ? [] : ['', ...natInWords(behaviour, natOf(findings), lifetime)]),
    ...(gateway === undefined ? [] : ['', ...gatewayInWords(gateway, behaviour)]),
    ...(behaviour === undefined || !checks[0]!.qualified
      ? []
      : ['', ...reachInWords(reach(findings, behaviour))]),
    ...(addressOrder === undefined || addressOrder.ipv4First ? [] : ['', ...orderInWords(addressOrder)]),
    '',
    verdict(findings),
    ...firewallInWords(findings.firewall),
    ...advice(findings).map(({ text }) => `  - ${text}`),
  ];
}

function reach({ gateway }: Findings, behaviour: NatBehaviour): Reach[] {
  const isOfUse = gateway !== undefined && behaviour.present;
  return reachOf(behaviour, isOfUse ? openingOf(gateway, behaviour) : 'none');
}

function advice(findings: Findings): ReturnType<typeof adviceOf> {
  const { checks, behaviour, lifetime, gateway } = findings;
  const { qualified, reason } = checks[0]!;
  return adviceOf({
    works: qualified,
    nat: natOf(findings),
    reason,
    behaviour,
    lifetime: lifetime?.found,
    gateway,
  });
}

/** In netsh's words, which the client itself uses: but it does not look for cones (RFC 5991), and here one is known. */
function natOf({ checks, behaviour }: Findings): NatKind {
  const { nat } = checks[0]!;
  if (behaviour === undefined) return nat;
  if (!behaviour.present) return 'none';
  if (behaviour.mapping === 'address-dependent-or-stricter') return 'symmetric';
  if (behaviour.mapping === 'unknown') return nat;
  return behaviour.filtering === 'endpoint-independent' ? 'cone' : 'restricted';
}

function serverInWords(check: ServerCheck): string[] {
  return [
    formatHost(check.name, check.primaryNumber),
    ...check.steps.map((step) => `  ${step.good ? 'ok  ' : 'no  '} ${step.text}`),
    ...(check.reason === undefined ? [] : [`       ${explainReason(check.reason)}`]),
  ];
}

function verdict(findings: Findings): string {
  const best = findings.checks[0]!;
  if (!best.qualified) return 'Teredo does not work here.';
  const nat = natOf(findings);
  const time = best.roundTripMs === undefined ? '' : ` (${best.roundTripMs.toFixed(1)} ms)`;
  const limits = nat === 'symmetric' ? ', within the limits above' : '';
  return `Teredo works here${limits}: NAT ${nat}, mapped to ${best.mapped ?? '?'}, best server ${best.name}${time}.`;
}

/** Teredo itself is IPv4 here: rules for the IPv6 packets inside are not seen by any of the checks. */
function firewallInWords(firewall: Ipv6Firewall | undefined): string[] {
  if (firewall === undefined) return [];
  const { chains, unreadable } = firewall;
  if (unreadable !== undefined)
    return [
      `  - whether rules of this host keep IPv6 from the tunnel could not be read (${unreadable}): ask as root`,
    ];
  if (chains.length === 0) return [];
  return [`  - rules of this host may keep IPv6 from the tunnel: ${chains.join(', ')}`];
}

function natInWords(behaviour: NatBehaviour, nat: NatKind, lifetime: Findings['lifetime']): string[] {
  const rows: (readonly [string, string])[] = [
    ['mapping', mappingInWords(behaviour)],
    ['filtering', FILTERING[behaviour.filtering]],
    ['ports', portsInWords(behaviour)],
    ...(behaviour.present ? ([['hairpinning', HAIRPINNING[behaviour.hairpinning]]] as const) : []),
    ...(behaviour.externalAddresses.length > 1
      ? ([['addresses', `several: ${behaviour.externalAddresses.join(', ')}`]] as const)
      : []),
    ...(lifetime === undefined ? [] : ([['lifetime', lifetimeInWords(lifetime.found)]] as const)),
  ];
  const title = behaviour.present
    ? `The NAT is ${nat}; in the words of RFC 4787:`
    : "No NAT: the servers see this host's own address and port.";
  return [title, ...inColumns(rows)];
}

function mappingInWords({ mapping, seenFrom, present }: NatBehaviour): string {
  const count = seenFrom.length;
  switch (mapping) {
    case 'endpoint-independent':
      return present
        ? `endpoint-independent: ${count} server addresses see the same`
        : `none: ${count} server addresses see the same`;
    case 'address-dependent-or-stricter':
      return 'address-dependent, or address-and-port-dependent: all servers have one port, which hides the difference';
    case 'unknown':
      return count === 0
        ? 'unknown: no server has answered'
        : 'unknown: only one server address answers, which leaves nothing to compare';
  }
}

const FILTERING: Readonly<Record<NatBehaviour['filtering'], string>> = {
  'endpoint-independent': 'endpoint-independent: an address that nothing was sent to gets in',
  'address-dependent': 'address-dependent: only addresses that something was sent to get in',
  'address-and-port-dependent':
    'address-and-port-dependent: only an address that something was sent to gets in, from the very same port',
  'address-dependent-or-stricter':
    'address-dependent or stricter: nothing gets in from an address that nothing was sent to',
  unknown: 'unknown: no server has a second address to try it from',
};

function portsInWords({ portPreservation, portAllocation, portStep = 0 }: NatBehaviour): string {
  const preserved = PRESERVATION[portPreservation];
  switch (portAllocation) {
    case 'preserving':
      return preserved;
    case 'counting':
      return `${preserved}; new ones are counting ${portStep > 0 ? 'up' : 'down'} by ${Math.abs(portStep)}`;
    case 'random':
      return `${preserved}; new ones are random`;
    case 'unknown':
      return `${preserved}; how new ones are chosen is unknown`;
  }
}

const PRESERVATION: Readonly<Record<NatBehaviour['portPreservation'], string>> = {
  yes: "preserved: the host's own",
  sometimes: 'sometimes preserved',
  no: 'not preserved',
  unknown: 'unknown',
};

const HAIRPINNING: Readonly<Record<NatBehaviour['hairpinning'], string>> = {
  yes: 'yes: hosts behind it reach each other at their mapped addresses',
  no: 'no: hosts behind it do not reach each other at their mapped addresses',
  unknown: 'not seen',
};

function lifetimeInWords(found: UdpLifetime | undefined): string {
  if (found === undefined) return 'unknown: the server has sent no bubble on, or did not answer any more';
  const { survivedSeconds, goneAfterSeconds, longestSeconds, tookSeconds } = found;
  const text = (seconds: number): string => String(Math.round(seconds * 10) / 10);
  const took = `measured in ${text(tookSeconds)} s`;
  if (goneAfterSeconds === undefined) {
    return survivedSeconds === 0
      ? 'unknown: the time given was too short'
      : `a silent mapping lives ${text(survivedSeconds)} s at least (up to ${text(longestSeconds)} s were looked for; ${took})`;
  }
  return survivedSeconds === 0
    ? `a silent mapping is gone after ${text(goneAfterSeconds)} s (${took})`
    : `a silent mapping lives ${text(survivedSeconds)} s, and is gone after ${text(goneAfterSeconds)} s (${took})`;
}

function reachInWords(reach: readonly Reach[]): string[] {
  return [
    'Peers that reach this host and are reached, by the NAT that they are behind:',
    ...inColumns(
      reach.map(({ peer, way, atBest }) => [
        PEERS_IN_WORDS[peer],
        atBest === undefined ? WAYS[way] : `${WAYS[atBest]}, or else ${WAYS[way]}`,
      ]),
    ),
  ];
}

const WAYS: Readonly<Record<Way, string>> = {
  rfc4380: 'yes, all of them (RFC 4380)',
  rfc6081: 'yes, those that know RFC 6081',
  guessing: 'by guessing ports, if they run this program',
  none: 'no',
};

function orderInWords({ missingLines }: AddressOrder): string[] {
  const order = 'Names with a Teredo and an IPv4 address lead to the Teredo address first (getaddrinfo).';
  if (missingLines.length === 0) return [`${order} A line in ${GAI_CONF} says so.`];
  const lines = missingLines.length === 1 ? 'this line' : 'these lines';
  return [
    `${order} With ${lines} in ${GAI_CONF} IPv4 is first, as RFC 6724 wants it:`,
    ...missingLines.map((line) => `  ${line}`),
  ];
}

function inColumns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}
