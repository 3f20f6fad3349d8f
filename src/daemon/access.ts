import type { AccessStatus } from '../control/status.ts';
import { AccessList } from '../core/access-list.ts';
import type { Ipv4Prefix } from '../wire/index.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';

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
  return { prefixes: access.size, default: access.allowsOthers ? 'allow' : 'deny' };
}

/** In one line, for people. */
export function accessInWords({ prefixes, default: byDefault }: AccessStatus): string {
  if (prefixes === 0) return 'all addresses';
  const others = byDefault === 'allow' ? 'served' : 'denied';
  return `${prefixes} ${prefixes === 1 ? 'prefix' : 'prefixes'}, all other addresses are ${others}`;
}
