import { AccessList } from '../../src/core/access-list.ts';
import { parseIpv4Prefix } from '../../src/wire/index.ts';

/** `access('+203.0.113.0/24', '-203.0.113.7')`: the first is allowed, the other denied. */
export function access(...rules: readonly string[]): AccessList {
  const of = (sign: string) =>
    rules.filter((rule) => rule.startsWith(sign)).map((rule) => parseIpv4Prefix(rule.slice(1))!);
  return new AccessList({ allow: of('+'), deny: of('-') });
}
