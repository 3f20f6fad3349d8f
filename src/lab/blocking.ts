import type { Namespace } from './namespace.ts';

/** Drops what matches (in the words of nftables: `udp dport 3544`) on every path through a host, until {@link unblock}. */
export function block(host: Namespace, match: string): void {
  const chains = ['input', 'forward', 'output'].map(
    (hook) => `chain ${hook} { type filter hook ${hook} priority -5; policy accept; ${match} drop; }`,
  );
  host.nft(`table inet ${TABLE} {\n${chains.join('\n')}\n}`);
}

/** Drops nothing any more. */
export function unblock(host: Namespace): void {
  host.nft(`delete table inet ${TABLE}`);
}

const TABLE = 'blocked';
