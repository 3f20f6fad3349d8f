import { readFileSync } from 'node:fs';
import { SystemCallError } from './errors.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { AF_INET, SOCK_DGRAM, openSocket } from './socket.ts';

const SOL_IP = 0;
const IPT_SO_GET_INFO = 64;
const IPT_SO_GET_ENTRIES = 65;
/** struct ipt_getinfo: name, hooks of the table, first rule and policy of each, number of rules, octets of all of them. */
const INFO = { VALID_HOOKS: 32, FIRST: 36, POLICY: 56, BYTES: 80, SIZE: 84 } as const;
/** struct ipt_get_entries: name, octets, then the rules. */
const ENTRIES = { BYTES: 32, RULES: 40 } as const;
/** struct ipt_entry; matches follow it, and at its `TARGET` a struct xt_standard_target. */
const ENTRY = { TARGET_OFFSET: 88, SIZE: 112 } as const;
/** The target of a policy to accept: its name is empty, and its verdict is -1 - NF_ACCEPT. */
const TARGET = { NAME: 2, VERDICT: 32, SIZE: 40 } as const;
const ACCEPT = -2;
/** No larger ruleset is read: one of that size has rules in every hook. */
const MOST_BYTES = 4 << 20;
/** Hooks by number. */
const CHAINS = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;

/** A chain of legacy iptables with rules, or with a policy other than accept. */
export interface XtablesChain {
  readonly table: string;
  readonly chain: (typeof CHAINS)[number];
}

/**
 * The first such chain except FORWARD; undefined if there is none. Only tables that exist in this network namespace are read: the kernel
 * creates a table when asked for it. Throws an error of readFileSync if this process may not read the tables' names, and a SystemCallError.
 */
export function findXtablesChain(): XtablesChain | undefined {
  let names;
  try {
    names = readFileSync('/proc/net/ip_tables_names', 'utf8').split('\n').filter(Boolean);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined; // legacy iptables is not there
    throw error;
  }
  if (names.length === 0) return undefined;
  const fd = openSocket(AF_INET, SOCK_DGRAM);
  try {
    for (const name of names) {
      const chain = chainIn(fd, name);
      if (chain !== undefined) return { table: name, chain };
    }
    return undefined;
  } finally {
    sys.close(fd);
  }
}

function chainIn(fd: number, table: string): XtablesChain['chain'] | undefined {
  const info = ask(fd, IPT_SO_GET_INFO, INFO.SIZE, table, () => {});
  if (info === undefined) return undefined; // gone meanwhile
  const bytes = info.view.getUint32(INFO.BYTES, true);
  const hooks = info.view.getUint32(INFO.VALID_HOOKS, true);
  const first = (hook: number) => info.view.getUint32(INFO.FIRST + 4 * hook, true);
  const policy = (hook: number) => info.view.getUint32(INFO.POLICY + 4 * hook, true);
  const own = CHAINS.map((_, hook) => hook).filter(
    (hook) => CHAINS[hook] !== 'FORWARD' && ((hooks >> hook) & 1) === 1,
  );
  const withRules = own.find((hook) => first(hook) !== policy(hook));
  if (withRules !== undefined) return CHAINS[withRules];
  if (bytes > MOST_BYTES) throw new SystemCallError('IPT_SO_GET_ENTRIES', E.E2BIG);
  const entries = ask(fd, IPT_SO_GET_ENTRIES, ENTRIES.RULES + bytes, table, (view) =>
    view.setUint32(ENTRIES.BYTES, bytes, true),
  );
  if (entries === undefined) throw new SystemCallError('IPT_SO_GET_ENTRIES', E.EAGAIN);
  const closed = own.find((hook) => !accepts(entries.view, ENTRIES.RULES + policy(hook)));
  return closed === undefined ? undefined : CHAINS[closed];
}

/** Whether the rule at `at` is a policy to accept. */
function accepts(view: DataView, at: number): boolean {
  if (at + ENTRY.SIZE > view.byteLength) return false;
  const target = at + view.getUint16(at + ENTRY.TARGET_OFFSET, true);
  if (target + TARGET.SIZE > view.byteLength) return false;
  return view.getUint8(target + TARGET.NAME) === 0 && view.getInt32(target + TARGET.VERDICT, true) === ACCEPT;
}

/** Undefined if the table does not exist, or has a different size by now. */
function ask(
  fd: number,
  option: number,
  size: number,
  table: string,
  write: (view: DataView) => void,
): Memory | undefined {
  const memory = new Memory(size);
  const length = new Memory(4);
  new TextEncoder().encodeInto(table, memory.bytes.subarray(0, 31));
  write(memory.view);
  length.view.setUint32(0, size, true);
  if (sys.getsockopt(fd, SOL_IP, option, memory.address, length.address) === 0) return memory;
  const error = errno();
  if (error === E.ENOENT || error === E.EAGAIN || error === E.EINVAL) return undefined;
  throw new SystemCallError('IPT_SO_GET_INFO', error);
}
