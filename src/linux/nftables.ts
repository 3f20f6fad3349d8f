import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NETLINK_NETFILTER, NetlinkQuery, forEachAttribute, textIn } from './netlink.ts';

/** Messages of the subsystem NFNL_SUBSYS_NFTABLES; the body is a struct nfgenmsg. Names as in linux/netfilter/nf_tables.h. */
const SUBSYSTEM = 10 << 8;
const NFT_MSG = { GETTABLE: 1, GETCHAIN: 4, GETGEN: 16 } as const;
const BODY = 4;
const NFTA_GEN_ID = 1;
const NFTA_TABLE = { NAME: 1, FLAGS: 2 } as const;
const NFT_TABLE_F_DORMANT = 1;
const NFTA_CHAIN = { TABLE: 1, NAME: 3, HOOK: 4, POLICY: 5, USE: 6 } as const;
const NFTA_HOOK = { HOOKNUM: 1, DEV: 3, DEVS: 4 } as const;
const NFTA_DEVICE = { NAME: 1, PREFIX: 2 } as const;
const NF_ACCEPT = 1;
const FAMILY: Readonly<Record<number, ChainFamily>> = {
  1: 'inet',
  2: 'ip',
  5: 'netdev',
  10: 'ip6',
};
const ALL_FAMILIES = 0;
export const FAMILY_NETDEV = 5;
/** Hooks by number; `inet` has the ingress hook, too. */
const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting', 'ingress'] as const;
const NETDEV_HOOKS = ['ingress', 'egress'] as const;

/** The families that see IPv4 or IPv6; the others are `arp` and `bridge`. `ip6` sees no IPv4. */
export type ChainFamily = 'ip' | 'ip6' | 'inet' | 'netdev';
export type ChainHook = (typeof HOOKS)[number] | (typeof NETDEV_HOOKS)[number];

/** A base chain: the kernel sends packets to it. */
export interface BaseChain {
  readonly family: ChainFamily;
  readonly table: string;
  readonly name: string;
  readonly hook: ChainHook;
  readonly rules: number;
  /** Whether the chain accepts packets that no rule decides. */
  readonly accepts: boolean;
  /** Names of the interfaces of a chain of `netdev`, or of `ingress` in `inet`; a name that ends in `*` is a prefix of names. */
  readonly devices: readonly string[];
}

/** The most characters shown of a name that an operator has chosen. */
const NAME_LENGTH = 40;

/** Whether a chain at interface hooks is at the interface of this name; a chain of all interfaces is at each. */
export function isAtInterface({ devices }: BaseChain, name: string): boolean {
  return (
    devices.length === 0 ||
    devices.some((device) => (device.endsWith('*') ? name.startsWith(device.slice(0, -1)) : name === device))
  );
}

/** Names of tables of daemons that concern connections to their own ports only. */
export const CONNECTION_LIMIT = 'teredo-listen-';

export function isConnectionLimit({ table }: BaseChain): boolean {
  return table.startsWith(CONNECTION_LIMIT);
}

/** Description of a chain; an odd name cannot break it. */
export function nameOfChain({ family, table, name }: BaseChain): string {
  return `chain ${plainName(name)} of table ${family} ${plainName(table)}`;
}

/** A name that an operator has chosen, made safe for output. */
export function plainName(name: string): string {
  return name.slice(0, NAME_LENGTH).replaceAll(/[^\w.-]/g, '?');
}

/**
 * The number of nftables' ruleset, which changes with each change; undefined if this kernel has no nftables. Throws a SystemCallError:
 * EPERM without CAP_NET_ADMIN.
 */
export function nftablesGeneration(): number | undefined {
  let generation = 0;
  const has = asking(NFT_MSG.GETGEN, ALL_FAMILIES, (query) =>
    query.ask((view, at, end) => {
      forEachAttribute(view, at + BODY, end, (type, value) => {
        if (type === NFTA_GEN_ID) generation = view.getUint32(value);
      });
    }),
  );
  return has ? generation : undefined;
}

/**
 * The first base chain, in an active table, for which `wanted` is true; undefined if there is none. Reads at most `most` chains, of one
 * family (by its number) or of all. Throws a SystemCallError: EAGAIN if the ruleset changed meanwhile, E2BIG if there are more chains.
 */
export function findBaseChain(
  wanted: (chain: BaseChain) => boolean,
  most: number,
  family = ALL_FAMILIES,
): BaseChain | undefined {
  const dormant = dormantTables(most, family);
  let found: BaseChain | undefined;
  let seen = 0;
  const all = asking(NFT_MSG.GETCHAIN, family, (query) =>
    query.list((view, at, end) => {
      const chain = chainIn(view, at, end);
      if (chain !== undefined && !dormant.has(`${chain.family} ${chain.table}`) && wanted(chain))
        found = chain;
      return found === undefined && ++seen <= most;
    }),
  );
  if (found === undefined && !all)
    throw new SystemCallError('NFT_MSG_GETCHAIN', seen > most ? E.E2BIG : E.EAGAIN);
  return found;
}

function dormantTables(most: number, family: number): Set<string> {
  const dormant = new Set<string>();
  let seen = 0;
  const all = asking(NFT_MSG.GETTABLE, family, (query) =>
    query.list((view, at, end) => {
      let [name, flags] = ['', 0];
      forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
        if (type === NFTA_TABLE.NAME) name = textIn(view, value, valueEnd);
        else if (type === NFTA_TABLE.FLAGS) flags = view.getUint32(value);
      });
      if ((flags & NFT_TABLE_F_DORMANT) !== 0) dormant.add(`${FAMILY[view.getUint8(at)]} ${name}`);
      return ++seen <= most;
    }),
  );
  if (!all) throw new SystemCallError('NFT_MSG_GETTABLE', seen > most ? E.E2BIG : E.EAGAIN);
  return dormant;
}

/** Undefined if it is not a base chain, or does not see IPv4 or IPv6. */
function chainIn(view: DataView, at: number, end: number): BaseChain | undefined {
  const family = FAMILY[view.getUint8(at)];
  let [table, name, rules, accepts] = ['', '', 0, true];
  let hook: ChainHook | undefined;
  const devices: string[] = [];
  if (family === undefined) return undefined;
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === NFTA_CHAIN.TABLE) table = textIn(view, value, valueEnd);
    else if (type === NFTA_CHAIN.NAME) name = textIn(view, value, valueEnd);
    else if (type === NFTA_CHAIN.POLICY) accepts = view.getUint32(value) === NF_ACCEPT;
    // The use count of a base chain is its number of rules: no rule can jump to it.
    else if (type === NFTA_CHAIN.USE) rules = view.getUint32(value);
    else if (type === NFTA_CHAIN.HOOK) {
      forEachAttribute(view, value, valueEnd, (type, value, valueEnd) => {
        if (type === NFTA_HOOK.HOOKNUM)
          hook = (family === 'netdev' ? NETDEV_HOOKS : HOOKS)[view.getUint32(value)];
        else if (type === NFTA_HOOK.DEV) devices.push(textIn(view, value, valueEnd));
        else if (type === NFTA_HOOK.DEVS) devices.push(...devicesIn(view, value, valueEnd));
      });
    }
  });
  return hook === undefined ? undefined : { family, table, name, hook, rules, accepts, devices };
}

function devicesIn(view: DataView, from: number, end: number): string[] {
  const devices: string[] = [];
  forEachAttribute(view, from, end, (type, value, valueEnd) => {
    const name = textIn(view, value, valueEnd);
    if (type === NFTA_DEVICE.NAME) devices.push(name);
    else if (type === NFTA_DEVICE.PREFIX) devices.push(`${name}*`);
  });
  return devices;
}

/** False if `ask` is, or if the kernel has no nftables. Throws on a refusal for another reason than a changed list. */
function asking(message: number, family: number, ask: (query: NetlinkQuery) => boolean): boolean {
  let query;
  try {
    query = new NetlinkQuery(NETLINK_NETFILTER);
  } catch (error) {
    if ((error as SystemCallError).code === 'EPROTONOSUPPORT') return false;
    throw error;
  }
  try {
    // NFNETLINK_V0.
    if (ask(query.begin(SUBSYSTEM | message, BODY, (view, at) => view.setUint8(at, family)))) return true;
    const { refusal } = query;
    // EINVAL: the subsystem does not exist.
    if (refusal !== 0 && refusal !== E.EINVAL) throw new SystemCallError('nfnetlink', refusal);
    return false;
  } finally {
    query.close();
  }
}
