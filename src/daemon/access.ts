import type { AccessStatus } from '../control/status.ts';
import { AccessList } from '../core/access-list.ts';
import { counted } from '../runtime/counted.ts';
import { formatIpv4Prefix } from '../wire/index.ts';
import type { Ipv4Prefix } from '../wire/index.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';

/** Prefixes in a line for people. */
const MOST_SHOWN = 3;

/** Throws a CommandFailure where the two contradict each other. */
export function accessOf({
  allow = [],
  deny = [],
}: {
  readonly allow: readonly Ipv4Prefix[] | undefined;
  readonly deny: readonly Ipv4Prefix[] | undefined;
}): AccessList {
  try {
    return new AccessList({ allow, deny });
  } catch (error) {
    throw new CommandFailure(EXIT.USAGE, `--allow, --deny: ${(error as Error).message}`);
  }
}

/** For the start of a role: a line where a list is in force. */
export function noticesOfAccess(access: AccessList): string[] {
  return access.size === 0 ? [] : [`access list: ${accessInWords(accessStatus(access))}`];
}

/** For `teredo status`. */
export function accessStatus(access: AccessList): AccessStatus {
  return {
    prefixes: access.size,
    allow: access.allow.map(formatIpv4Prefix),
    deny: access.deny.map(formatIpv4Prefix),
    default: access.allowsOthers ? 'allow' : 'deny',
  };
}

/** In one line, for people. A daemon of an older version gives no lists. */
export function accessInWords({ default: byDefault, ...rest }: AccessStatus): string {
  const { prefixes = 0, allow = [], deny = [] } = rest as Partial<typeof rest>;
  if (prefixes === 0) return 'all addresses';
  const parts = [someOf(deny, 'denied'), someOf(allow, 'served')].filter((part) => part !== '');
  const others = byDefault === 'allow' ? 'served' : 'denied';
  if (parts.length === 0) parts.push(counted(prefixes, 'prefix'));
  return `${parts.join('; ')}; all other addresses are ${others}`;
}

/** The first ones; the rest as a number. */
function someOf(prefixes: readonly string[], verdict: string): string {
  if (prefixes.length === 0) return '';
  const shown = prefixes.slice(0, MOST_SHOWN).join(', ');
  const rest = prefixes.length - MOST_SHOWN;
  return `${shown}${rest > 0 ? ` and ${rest} more` : ''} ${verdict}`;
}
