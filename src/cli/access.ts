import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { AccessList, MAX_ACCESS_PREFIXES } from '../core/access-list.ts';
import { formatIpv4Prefix, parseIpv4, parseIpv4Prefix } from '../wire/index.ts';
import type { Ipv4Prefix } from '../wire/index.ts';
import { CommandFailure, EXIT } from '../daemon/exit-codes.ts';

/** What `--allow` and `--deny` have gathered. */
export interface AccessOptions {
  readonly allow?: readonly Ipv4Prefix[];
  readonly deny?: readonly Ipv4Prefix[];
}

const HELP = `
Access: PREFIX is an IPv4 prefix or address; ${MAX_ACCESS_PREFIXES} at the most. The longest prefix that matches an address decides.
An address that no prefix matches is served. It is refused if at least one --allow prefix is not inside a --deny prefix.
  --deny 203.0.113.0/24 --allow 203.0.113.7   all addresses except that network; of that network only 203.0.113.7
  --allow 198.51.100.0/24                     only that network`;

/** Adds `--allow` and `--deny` to a role's command; `more`: lines for the help, about the role. */
export function addAccessOptions(command: Command, more: string): Command {
  return command
    .option('--allow <prefix...>', 'IPv4 addresses that are served; see "Access" below', prefixValue)
    .option('--deny <prefix...>', 'IPv4 addresses that are not served', prefixValue)
    .addHelpText('after', `${HELP}\n${more}`);
}

/** Throws a CommandFailure where the two contradict each other. */
export function accessOf({ allow = [], deny = [] }: AccessOptions): AccessList {
  try {
    return new AccessList({ allow, deny });
  } catch (error) {
    throw new CommandFailure(EXIT.USAGE, `--allow, --deny: ${(error as Error).message}`);
  }
}

/** For a variadic option: adds an IPv4 prefix to those before it. */
function prefixValue(text: string, before: readonly Ipv4Prefix[] | undefined): Ipv4Prefix[] {
  const prefix = parseIpv4Prefix(text);
  if (prefix === undefined)
    throw new InvalidArgumentError(
      `"${text}" is neither an IPv4 prefix such as 203.0.113.0/24 nor an address.`,
    );
  if (parseIpv4(text.replace(/\/.*/, '')) !== prefix.address)
    throw new InvalidArgumentError(
      `"${text}" has bits set behind its length: want ${formatIpv4Prefix(prefix)}.`,
    );
  if (before !== undefined && before.length >= MAX_ACCESS_PREFIXES)
    throw new InvalidArgumentError(`there are more than ${MAX_ACCESS_PREFIXES} prefixes.`);
  return [...(before ?? []), prefix];
}
