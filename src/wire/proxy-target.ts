import { formatIpv4, parseIpv4 } from './ipv4.ts';
import type { Ipv4 } from './ipv4.ts';
import { formatIpv6, parseIpv6 } from './ipv6-text.ts';
import type { Ipv6 } from './ipv6.ts';
import { readUint32 } from './bytes.ts';

/** The host that the client of a proxy wants to reach. */
export type TargetHost =
  | { readonly kind: 'ipv4'; readonly address: Ipv4 }
  | { readonly kind: 'ipv6'; readonly address: Ipv6 }
  | { readonly kind: 'name'; readonly name: string };

export interface Target {
  readonly host: TargetHost;
  readonly port: number;
}

/** RFC 1035 section 2.3.4, without the dot at the end. */
const LONGEST_NAME = 253;

/** A host as text: an address or a name. Undefined: neither. */
export function hostOf(text: string): TargetHost | undefined {
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) return { kind: 'ipv4', address: ipv4 };
  const ipv6 = parseIpv6(/^\[(.*)\]$/.exec(text)?.[1] ?? text);
  if (ipv6 !== undefined) return ipv6Host(ipv6);
  const name = text.replace(/\.$/, '');
  return isName(name) ? { kind: 'name', name } : undefined;
}

/** An IPv4-mapped address (::ffff:0:0/96, RFC 4291 section 2.5.5.2) is the IPv4 address in it. */
export function ipv6Host(address: Ipv6): TargetHost {
  const isMapped =
    readUint32(address, 0) === 0 && readUint32(address, 4) === 0 && readUint32(address, 8) === 0xffff;
  return isMapped ? { kind: 'ipv4', address: readUint32(address, 12) } : { kind: 'ipv6', address };
}

export function formatHost(host: TargetHost): string {
  if (host.kind === 'name') return host.name;
  return host.kind === 'ipv4' ? formatIpv4(host.address) : formatIpv6(host.address);
}

/** Letters, digits, hyphens and underscores between dots. */
function isName(name: string): boolean {
  return name.length <= LONGEST_NAME && name.split('.').every((label) => /^[\w-]{1,63}$/.test(label));
}
