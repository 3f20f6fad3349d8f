import type { Namespace } from './namespace.ts';

/** Mapping and filtering in the words people use; each is a ruleset of nftables. */
export type NatBehaviour =
  | 'full-cone'
  | 'address-restricted'
  | 'port-restricted'
  | 'symmetric-random'
  | 'symmetric-sequential';

export interface NatExtras {
  /** Whether clients of one LAN reach each other at their outside addresses; without any filtering. */
  readonly hairpin?: boolean;
  /** How long the NAT remembers a client that is silent. Linux says 30, and 120 once both sides have spoken. */
  readonly udpTimeoutSeconds?: number;
}

export interface NatOptions extends NatExtras {
  readonly behaviour: NatBehaviour;
  /** Names of the router's interfaces. */
  readonly outside: string;
  readonly inside: string;
  /** Its address on the outside. */
  readonly address: string;
  /** Who gets what nobody asked for, with a cone: an address on the inside. */
  readonly client: string;
}

/**
 * Makes a router translate. What arrives from outside unasked must not reach the INPUT chain: conntrack would confirm that
 * flow there, and the client's own packet to the same peer would then clash with it and get another port.
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
        oifname "${outside}" ${outboundRule(options)}
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

/** The router forgets all mappings, as after a restart. */
export function flushMappings(router: Namespace): void {
  router.execute('conntrack', '-F');
}

/** What the router remembers besides the mappings of the kernel, and for as long. */
function memory({ behaviour, hairpin, udpTimeoutSeconds = 120 }: NatOptions): string {
  const aging = `flags dynamic; timeout ${udpTimeoutSeconds}s;`;
  return `
    ${behaviour === 'address-restricted' ? `set contacted { type inet_service . ipv4_addr; ${aging} }` : ''}
    ${hairpin === true ? `map mapped { type inet_service : ipv4_addr; ${aging} }` : ''}`;
}

/** Of what goes out, once it is translated: by its port of the router, whom it went to and whose it is. */
function learningRules({ behaviour, outside, hairpin }: NatOptions): string {
  const rules: string[] = [];
  if (behaviour === 'address-restricted') rules.push('update @contacted { ct reply proto-dst . ip daddr }');
  if (hairpin === true) rules.push('update @mapped { ct reply proto-dst : ct original ip saddr }');
  return rules.map((rule) => `oifname "${outside}" meta l4proto udp ${rule}`).join('\n');
}

function inboundRules({ behaviour, outside, inside, address, client, hairpin }: NatOptions): string {
  const fromOutside = `iifname "${outside}" meta l4proto udp`;
  const rules: string[] = [];
  if (hairpin === true) rules.push(`iifname "${inside}" ip daddr ${address} dnat to udp dport map @mapped`);
  if (behaviour === 'full-cone') rules.push(`${fromOutside} dnat to ${client}`);
  if (behaviour === 'address-restricted') {
    rules.push(`${fromOutside} udp dport . ip saddr @contacted dnat to ${client}`);
  }
  return rules.join('\n');
}

/** RFC 4787 REQ-9: who is reached at his outside address sees the outside address of who reaches him. */
function hairpinRule({ inside, address, hairpin }: NatOptions): string {
  return hairpin === true ? `iifname "${inside}" oifname "${inside}" ct status dnat snat to ${address}` : '';
}

function outboundRule({ behaviour, address }: NatOptions): string {
  if (behaviour === 'symmetric-random') return 'masquerade fully-random';
  if (behaviour !== 'symmetric-sequential') return 'masquerade';
  const ports = Array.from({ length: 200 }, (_, i) => `${i} : ${40_000 + i}`).join(', ');
  return `meta l4proto udp snat to ${address}:numgen inc mod 200 map { ${ports} }`;
}
