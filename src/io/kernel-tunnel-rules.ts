import type { OwnChain, OwnRule } from '../linux/own-table.ts';
import { OwnTable } from '../linux/own-table.ts';
import type { SystemCallError } from '../linux/errors.ts';
import { indexOf } from '../linux/interface-changes.ts';
import { openSocket } from '../linux/socket.ts';
import type { OpenSocket } from '../linux/socket.ts';
import type { Ipv6 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import type { TunnelRules } from './ports.ts';
import { refusable } from './refusable.ts';

/** `lo`, by which the host sends to itself. It is the first interface of each network namespace. */
const LOOPBACK = 1;

/** Rules in an nftables table `teredo-INTERFACE`. They name the interface by its index, so they stay valid if it is renamed. */
export class KernelTunnelRules implements TunnelRules {
  private readonly table: OwnTable;
  private readonly index: number;

  /**
   * `kept`: the socket that has the rules of a predecessor. `open`: opens sockets in the network namespace of the interface. Throws a
   * SystemCallError: ENODEV if the interface does not exist.
   */
  constructor(tunnel: string, kept?: number, open: OpenSocket = openSocket) {
    this.index = indexOf(tunnel, open);
    this.table = new OwnTable(`teredo-${tunnel}`, open, kept);
  }

  get fd(): number {
    return this.table.fd;
  }

  set(own: readonly Ipv6[], refuseInbound: boolean): void {
    const { index } = this;
    const leaving = own.map((source): OwnRule => ({
      when: [
        { source },
        { interface: 'out', how: 'is not', index },
        { interface: 'out', how: 'is not', index: LOOPBACK },
      ],
      verdict: 'drop',
    }));
    const arriving = { interface: 'in', how: 'is', index } as const;
    const chains: readonly OwnChain[] = [
      { hook: 'postrouting', rules: leaving },
      ...(refuseInbound
        ? [
            {
              hook: 'prerouting',
              rules: [
                { when: [arriving, 'established or related'], verdict: 'accept' },
                { when: [arriving], verdict: 'drop' },
              ],
            } as const,
          ]
        : []),
    ];
    refusable(() => this.table.set(chains), explainRules);
  }

  close(): void {
    this.table.close();
  }
}

/** The rules that are missing, and why. */
export function explainRules(error: SystemCallError): EnvironmentError {
  return new EnvironmentError(
    'system',
    `nftables refused the rules of the tunnel: ${WORDS[error.code] ?? error.message}`,
    error,
  );
}

const WORDS: Readonly<Record<string, string>> = {
  EPROTONOSUPPORT: 'this kernel has no nftables',
  ENOENT: 'this kernel lacks a part of nftables, such as nft_ct',
  EEXIST: 'another program has a table of that name: "nft list tables" names it',
  EPERM: 'it needs root or CAP_NET_ADMIN',
};
