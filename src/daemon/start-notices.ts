/** Notices and help for the start of a role. */
import { availableParallelism } from 'node:os';
import { isLoopback, isPrivate } from '../core/address-policy.ts';
import { EnvironmentError } from '../io/errors.ts';
import type { Removed } from '../io/kept-ports.ts';
import { formatIpv4 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';

/** A server's or relay's address has to be one that clients elsewhere can send to: the warning where it is not. C-9 */
export function noticesOfReach({
  address,
  announce,
  allowPrivate,
}: {
  readonly address: Ipv4;
  readonly announce?: Ipv4 | undefined;
  readonly allowPrivate?: boolean | undefined;
}): string[] {
  const reached = announce ?? address;
  const text = formatIpv4(reached);
  if (isLoopback(reached)) return [`warning: ${text} is a loopback address: no client will ever reach it`];
  if (!isPrivate(reached) || allowPrivate === true) return [];
  return [
    `warning: ${text} is a private address, which no client elsewhere can reach: behind a 1:1 NAT give the public one with ` +
      '--announce, in a closed network --allow-private',
  ];
}

/** Advice where this host does not have the address given: it may be the one outside a NAT. */
const NOT_LOCAL_HELP = {
  announce:
    'where a 1:1 NAT translates it to one of these, give that one with --address and this one with --announce',
  'leave-out': 'leave --address out: it is not needed, behind a NAT either',
} as const;

/** Adds advice to the error of a start where this host does not have the address given. `help`: `announce` for roles with that option. */
export async function explainNotLocal(
  start: Promise<void>,
  help: keyof typeof NOT_LOCAL_HELP,
): Promise<void> {
  try {
    await start;
  } catch (error) {
    if (!(error instanceof EnvironmentError) || error.code !== 'not-local') throw error;
    throw new EnvironmentError(error.code, `${error.message}; ${NOT_LOCAL_HELP[help]}`, error);
  }
}

/** Warnings about a server at an address at which no client of the Internet finds one. */
export function noticesOfServer(address: Ipv4, allowPrivate: boolean | undefined): string[] {
  const text = formatIpv4(address);
  if (isLoopback(address))
    return [`warning: ${text} is a loopback address: no other host can reach that server`];
  if (!isPrivate(address) || allowPrivate === true) return [];
  return [`warning: ${text} is a private address, which clients refuse: in a closed network --allow-private`];
}

/** The warning about workers that have to share processors. */
export function noticesOfWorkers(workers: number, processors = availableParallelism()): string[] {
  if (workers <= processors) return [];
  return [
    `warning: ${workers} workers share ${processors} processors: more workers than processors gain nothing`,
  ];
}

/** The line about descriptors in the service manager's store that do not fit the options of this process. */
export function noticesOfRemoved({ names, isAll }: Removed): string[] {
  if (names.length === 0) return [];
  return [
    `${isAll ? 'clean start: ' : ''}descriptors of the last process (${names.join(', ')}) do not fit these options or this version, and were removed`,
  ];
}
