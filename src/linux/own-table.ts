import { SystemCallError } from './errors.ts';
import { sys } from './libc.ts';
import { AF_NETLINK, NETLINK_NETFILTER } from './netlink.ts';
import { LostAnswer, NLM_F, NftBatch } from './nft-batch.ts';
import type { FAMILY } from './nft-batch.ts';
import { RuleWriter } from './nft-rules.ts';
import type { OwnChain } from './nft-rules.ts';
import { SOCK_NONBLOCK, SOCK_RAW, isSocketOf, openSocket } from './socket.ts';
import type { OpenSocket } from './socket.ts';

export type { OwnChain, OwnRule } from './nft-rules.ts';

const NFT_TABLE_F_OWNER = 2;

/**
 * An nftables table that belongs to a socket of this process. No other socket can change it, and the kernel removes it when the last
 * descriptor of the socket is closed, as at the end of the process (NFT_TABLE_F_OWNER, Linux 5.12).
 */
export class OwnTable {
  readonly fd: number;
  private readonly name: string;
  private readonly batch: NftBatch;
  private readonly rules: RuleWriter;
  /** Undefined: the kernel's answer to the latest change was lost. */
  private exists: boolean | undefined = false;
  private closed = false;

  /** `kept`: the socket of a predecessor ({@link isTableSocket}). Throws a SystemCallError: EPROTONOSUPPORT if the kernel has no nftables. */
  constructor(
    name: string,
    open: OpenSocket = openSocket,
    kept?: number,
    family: keyof typeof FAMILY = 'ip6',
  ) {
    this.name = name;
    this.fd = kept ?? open(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_NETFILTER);
    this.batch = new NftBatch(this.fd, family);
    this.rules = new RuleWriter(this.batch, name, family);
    if (kept !== undefined) this.exists = undefined;
  }

  /**
   * Replaces the chains of the table by these, in one step. On failure throws a SystemCallError and changes nothing, unless the kernel's answer
   * was lost (ENOBUFS, EAGAIN). EEXIST: another program has a table of this name. EPERM: no CAP_NET_ADMIN.
   */
  set(chains: readonly OwnChain[]): void {
    if (this.closed) return;
    if (this.exists !== undefined) return this.change(chains, this.exists);
    try {
      this.change(chains, true);
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== 'ENOENT') throw error;
      this.change(chains, false);
    }
  }

  /** Removes the table. Harmless when repeated. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    sys.close(this.fd);
  }

  private change(chains: readonly OwnChain[], exists: boolean): void {
    const { batch } = this;
    try {
      batch.make(() => {
        if (exists) batch.message('DELTABLE', 0, () => batch.text(1, this.name));
        batch.message('NEWTABLE', NLM_F.CREATE | NLM_F.EXCL, () => {
          batch.text(1, this.name);
          batch.word(2, NFT_TABLE_F_OWNER);
        });
        this.rules.write(chains);
      });
    } catch (error) {
      if (error instanceof LostAnswer) this.exists = undefined;
      throw error;
    }
    this.exists = true;
  }
}

/** Whether a descriptor is a socket of this network namespace that may have a table. */
export function isTableSocket(fd: number): boolean {
  return isSocketOf(fd, AF_NETLINK, NETLINK_NETFILTER);
}
