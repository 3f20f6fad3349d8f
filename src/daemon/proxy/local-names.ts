import { hostOf } from '../../wire/proxy-target.ts';
import type { Address } from './resolver.ts';

const LOOPBACK = ['127.0.0.1', '::1'].map((text) => hostOf(text) as Address);

/** Names with their addresses, as in /etc/hosts. hosts(5) */
export function readHosts(text: string): ReadonlyMap<string, readonly Address[]> {
  const all = new Map<string, Address[]>();
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const host = hostOf(address ?? '');
    if (host === undefined || host.kind === 'name') continue;
    for (const name of names.map((one) => one.toLowerCase())) {
      const addresses = all.get(name);
      if (addresses === undefined) all.set(name, [host]);
      else addresses.push(host);
    }
  }
  return all;
}

/** The addresses of `localhost` and of names below it, which no name server is asked for. RFC 6761 section 6.3 */
export function addressesOfLocalhost(name: string): readonly Address[] {
  return /^(.*\.)?localhost$/i.test(name) ? LOOPBACK : [];
}

/** The names to look up for a name, in their order: with a domain behind it when it has few dots. resolv.conf(5): search, ndots */
export function readSearch(text: string): (name: string) => readonly string[] {
  let [domains, dots]: [readonly string[], number] = [[], 1];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'search' || keyword === 'domain') domains = words.slice(0, MOST_DOMAINS);
    const wanted = keyword === 'options' ? words.join(' ') : '';
    dots = Math.min(Number(/\bndots:(\d+)/.exec(wanted)?.[1] ?? dots), MOST_DOTS);
  }
  const suffixes = domains.map((domain) => domain.replace(/^\.|\.$/g, '')).filter((domain) => domain !== '');
  return (name) => {
    const hasFew = name.split('.').length - 1 < dots;
    return hasFew ? [...suffixes.map((suffix) => `${name}.${suffix}`), name] : [name];
  };
}

/** resolv.conf(5) */
const [MOST_DOMAINS, MOST_DOTS] = [6, 15];
