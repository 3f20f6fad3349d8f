import type { Namespace } from './namespace.ts';

/** Drops all packets of a host, in all directions, that match an nftables expression (`udp dport 3544`), until {@link unblock}. */
export function block(host: Namespace, match: string): void {
  const chains = ['input', 'forward', 'output'].map(
    (hook) => `chain ${hook} { type filter hook ${hook} priority -5; policy accept; ${match} drop; }`,
  );
  host.nft(`table inet ${TABLE} {\n${chains.join('\n')}\n}`);
}

/** Ends {@link block}. */
export function unblock(host: Namespace): void {
  host.nft(`delete table inet ${TABLE}`);
}

const TABLE = 'blocked';
