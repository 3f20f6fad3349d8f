import type { Namespace } from './namespace.ts';

/** The usual names of mapping and filtering behaviours; each is a ruleset of nftables. */
export type NatBehaviour =
  | 'full-cone'
  | 'address-restricted'
  | 'port-restricted'
  | 'symmetric-random'
  | 'symmetric-sequential';

export interface NatExtras {
  /** Whether clients of one LAN reach each other at their outside addresses, without filtering. */
  readonly hairpin?: boolean;
  /** How long the NAT keeps the mapping of a silent client. Default of Linux: 30 s; 120 s after packets in both directions. */
  readonly udpTimeoutSeconds?: number;
}

export interface NatOptions extends NatExtras {
  readonly behaviour: NatBehaviour;
  /** Names of the router's interfaces. */
  readonly outside: string;
  readonly inside: string;
  /** Its address on the outside. */
  readonly address: string;
}

/**
 * Makes a router a NAT. An unsolicited packet from outside must not reach the INPUT chain: conntrack would confirm its flow
 * there, and the client's own packet to the same peer would then collide with that flow and get another port.
 */
export function makeNat(router: Namespace, options: NatOptions): void {
  const { outside } = options;
  const { udpTimeoutSeconds } = options;
  router.sysctl('net.ipv4.ip_forward', '1');
  router.nft(`
    table ip nat {
      ${memory(options)}
      chain input {
        type filter hook input priority 0; policy accept;
        iifname "${outside}" ct state new drop
      }
      chain prerouting {
        type nat hook prerouting priority -100; policy accept;
        ${inboundRules(options)}
      }
      chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname "${outside}" ${outboundRule(options, false)}
        ${hairpinRule(options)}
      }
      chain learning {
        type filter hook postrouting priority 200; policy accept;
        ${learningRules(options)}
      }
    }`);
  if (udpTimeoutSeconds === undefined) return;
  router.sysctl('net.netfilter.nf_conntrack_udp_timeout', String(udpTimeoutSeconds));
  router.sysctl('net.netfilter.nf_conntrack_udp_timeout_stream', String(udpTimeoutSeconds));
}

/** Makes the router forget all mappings and permitted peers, as a restart does. */
export function flushMappings(router: Namespace): void {
  router.execute('conntrack', '-F');
  router.nft('flush set ip nat contacted; flush map ip nat mapped');
}

/** Makes the router forget all mappings, and use none of the earlier ports again. */
export function moveMappings(router: Namespace, options: NatOptions): void {
  // This chain runs before the earlier rule, which then finds the packet already translated.
  router.nft(`
    table ip moved {
      chain postrouting {
        type nat hook postrouting priority 99; policy accept;
        oifname "${options.outside}" meta l4proto udp ${outboundRule(options, true)}
      }
    }`);
  flushMappings(router);
}

/**
 * The router's memory in addition to the mappings of the kernel, with the same lifetime: for each outside port the client that has it, and the
 * peers to which the client has sent packets.
 */
function memory({ udpTimeoutSeconds = 120 }: NatOptions): string {
  const aging = `flags dynamic; timeout ${udpTimeoutSeconds}s;`;
  return `
    set contacted { type inet_service . ipv4_addr; ${aging} }
    map mapped { type inet_service : ipv4_addr . inet_service; ${aging} }`;
}

/** Rules that fill this memory from outbound packets, after translation. */
function learningRules({ behaviour, outside, hairpin }: NatOptions): string {
  const rules: string[] = [];
  if (behaviour === 'address-restricted') rules.push('update @contacted { ct reply proto-dst . ip daddr }');
  if (hairpin === true || LETS_IN.includes(behaviour))
    rules.push('update @mapped { ct reply proto-dst : ct original ip saddr . ct original proto-src }');
  // `original` only: the answer to a peer that was let in makes no mapping.
  return rules
    .map((rule) => `oifname "${outside}" meta l4proto udp ct direction original ${rule}`)
    .join('\n');
}

/** The behaviours that admit packets from peers to which the client has not sent. */
const LETS_IN: readonly NatBehaviour[] = ['full-cone', 'address-restricted'];

function inboundRules({ behaviour, outside, inside, address, hairpin }: NatOptions): string {
  const fromOutside = `iifname "${outside}" meta l4proto udp`;
  const toMapped = 'dnat ip to udp dport map @mapped';
  const rules: string[] = [];
  if (hairpin === true) rules.push(`iifname "${inside}" ip daddr ${address} ${toMapped}`);
  if (behaviour === 'full-cone') rules.push(`${fromOutside} ${toMapped}`);
  if (behaviour === 'address-restricted')
    rules.push(`${fromOutside} udp dport . ip saddr @contacted ${toMapped}`);
  return rules.join('\n');
}

/** RFC 4787 REQ-9: in hairpinning the receiver sees the sender's outside address. */
function hairpinRule(options: NatOptions): string {
  const { inside, hairpin } = options;
  return hairpin === true
    ? `iifname "${inside}" oifname "${inside}" ct status dnat ${outboundRule(options, false)}`
    : '';
}

/** Number of ports of a counting NAT; after the last one it begins again with the first. */
const PORTS_COUNTED = 200;

/** `moved`: with other ports than the usual ones. */
function outboundRule({ behaviour, address }: NatOptions, moved: boolean): string {
  const to = `snat to ${address}${moved ? ':20000-29999' : ''}`;
  if (behaviour === 'symmetric-random') return `${to} fully-random`;
  if (behaviour !== 'symmetric-sequential') return to;
  // Two counting NATs behind one carrier NAT need different ranges, or they would take each other's ports there.
  const lowest = (moved ? 50_000 : 40_000) + PORTS_COUNTED * (Number(address.split('.')[3]) % 40);
  const ports = Array.from({ length: PORTS_COUNTED }, (_, i) => `${i} : ${lowest + i}`).join(', ');
  return `meta l4proto udp snat to ${address}:numgen inc mod ${PORTS_COUNTED} map { ${ports} }`;
}
