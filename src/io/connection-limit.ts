import { CONNECTION_LIMIT } from '../linux/nftables.ts';
import type { Condition, OwnChain } from '../linux/nft-rules.ts';
import { OwnTable } from '../linux/own-table.ts';
import { systemErrorIn } from '../linux/system-failures.ts';
import { toHex } from '../wire/index.ts';

/** Of one user of this host; of one IPv4 address or /64 of others. As many are answered. */
const MOST = { perSecond: 20, burst: 40, most: 4_096, forgottenMs: 10_000 } as const;
const ROOT = 0;
/** `lo`, by which the host sends to itself. It is the first interface of each network namespace. */
const LOOPBACK = 1;
/** A source of IPv6 counts by its /64. */
const COUNTED_OCTETS = { 4: 4, 16: 8 } as const;

/**
 * Makes the kernel drop connections to a port at their first packet where one user or address begins too many: they do not fill the queue in
 * which others wait, and the process has no work with them. It drops none of root and of the process's own user.
 */
export class ConnectionLimit {
  private readonly name: string;
  private readonly chains: readonly OwnChain[];
  private readonly family: 'ip' | 'ip6';
  private table: OwnTable | undefined;

  /** `address`: of the listening socket, 4 or 16 octets. */
  constructor(address: Uint8Array, port: number) {
    this.name = `${CONNECTION_LIMIT}${toHex(address)}-${port}`;
    this.family = address.length === 4 ? 'ip' : 'ip6';
    this.chains = chainsFor(address, port);
  }

  /** The name of the error where the kernel does not do it: EPERM without CAP_NET_ADMIN. */
  begin(): string | undefined {
    try {
      this.table ??= new OwnTable(this.name, undefined, undefined, this.family);
      this.table.set(this.chains);
      return undefined;
    } catch (error) {
      this.end();
      const code = systemErrorIn(error);
      if (code === undefined) throw error;
      return code;
    }
  }

  end(): void {
    this.table?.close();
    this.table = undefined;
  }
}

function chainsFor(address: Uint8Array, port: number): readonly OwnChain[] {
  const isAny = address.every((octet) => octet === 0);
  const here: readonly Condition[] = isAny ? [] : [{ destination: address }];
  const begun: readonly Condition[] = [{ tcpPort: port }, ...here, 'begins a connection'];
  const octets = address.length === 4 ? COUNTED_OCTETS[4] : COUNTED_OCTETS[16];
  return [
    {
      hook: 'output',
      rules: [
        { when: [{ interface: 'out', how: 'is not', index: LOOPBACK }], verdict: 'accept' },
        ...masters().map((user) => ({ when: [{ user }], verdict: 'accept' }) as const),
        { when: [...begun, { per: 'user', ...MOST }], verdict: 'drop' },
      ],
    },
    {
      hook: 'input',
      rules: [
        { when: [{ interface: 'in', how: 'is', index: LOOPBACK }], verdict: 'accept' },
        { when: [...begun, { per: { octets }, ...MOST }], verdict: 'drop' },
      ],
    },
  ];
}

function masters(): readonly number[] {
  return [...new Set([ROOT, process.getuid?.() ?? ROOT])];
}
