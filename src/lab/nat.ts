import type { Namespace } from './namespace.ts';

/** Mapping and filtering in the words people use; each is a ruleset of nftables. */
export type NatBehaviour =
  | 'full-cone'
  | 'address-restricted'
  | 'port-restricted'
  | 'symmetric-random'
  | 'symmetric-sequential';

export interface NatOptions {
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
  router.sysctl('net.ipv4.ip_forward', '1');
  router.nft(`
    table ip nat {
      ${filterSets(options)}
      chain input {
        type filter hook input priority 0; policy accept;
        iifname "${outside}" ct state new drop
      }
      chain forward {
        type filter hook forward priority 0; policy accept;
        ${forwardRules(options)}
      }
      chain prerouting {
        type nat hook prerouting priority -100; policy accept;
        ${inboundRules(options)}
      }
      chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname "${outside}" ${outboundRule(options)}
      }
    }`);
}

/** The router forgets all mappings, as after a restart. */
export function flushMappings(router: Namespace): void {
  router.execute('conntrack', '-F');
}

function filterSets({ behaviour }: NatOptions): string {
  if (behaviour !== 'address-restricted') return '';
  return 'set contacted { type ipv4_addr; flags dynamic; timeout 120s; }';
}

function forwardRules({ behaviour, inside, outside }: NatOptions): string {
  if (behaviour !== 'address-restricted') return '';
  return `iifname "${inside}" oifname "${outside}" meta l4proto udp update @contacted { ip daddr }`;
}

function inboundRules({ behaviour, outside, client }: NatOptions): string {
  const toClient = `iifname "${outside}" meta l4proto udp`;
  if (behaviour === 'full-cone') return `${toClient} dnat to ${client}`;
  if (behaviour === 'address-restricted') return `${toClient} ip saddr @contacted dnat to ${client}`;
  return '';
}

function outboundRule({ behaviour, address }: NatOptions): string {
  if (behaviour === 'symmetric-random') return 'masquerade fully-random';
  if (behaviour !== 'symmetric-sequential') return 'masquerade';
  const ports = Array.from({ length: 200 }, (_, i) => `${i} : ${40_000 + i}`).join(', ');
  return `meta l4proto udp snat to ${address}:numgen inc mod 200 map { ${ports} }`;
}
