import { formatHost, hostOf } from '../../wire/proxy-target.ts';
import { ValueError } from './parse.ts';

/** A port of the Teredo address, and the service that it leads to. */
export interface ForwardRule {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Name or address. */
  readonly host: string;
  readonly hostPort: number;
}

const EXAMPLE = '"[::]:8080=127.0.0.1:80"';

/** `[tcp:|udp:][[::]:]PORT=HOST:PORT` */
export function forwardRuleOf(text: string): ForwardRule {
  const at = text.indexOf('=');
  if (at < 0) throw new ValueError(`"${text}" has no = in it: want a port and a service, as in ${EXAMPLE}`);
  const [, protocol = 'tcp', place] = /^(?:(tcp|udp):)?(.*)$/s.exec(text.slice(0, at))!;
  const port = ownPortOf(text, place!);
  const [, bracketed, plain, digits] = /^(?:\[(.*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text.slice(at + 1)) ?? [];
  const host = hostOf(bracketed ?? plain ?? '');
  if (host === undefined || (bracketed !== undefined && host.kind === 'name'))
    throw new ValueError(`"${text}" names no service behind the =, as in ${EXAMPLE}`);
  return {
    protocol: protocol as ForwardRule['protocol'],
    port,
    host: formatHost(host),
    hostPort: checkedPort(text, digits!),
  };
}

/** All rules of a command. Throws a ValueError where two have the same port. */
export function forwardRulesOf(texts: readonly string[]): ForwardRule[] {
  const rules = texts.map(forwardRuleOf);
  const seen = new Set<string>();
  for (const { protocol, port } of rules) {
    const key = `${protocol} port ${port}`;
    if (seen.has(key)) throw new ValueError(`${key} has two services: a port leads to one`);
    seen.add(key);
  }
  return rules;
}

export function serviceInWords({ host, hostPort }: ForwardRule): string {
  return host.includes(':') ? `[${host}]:${hostPort}` : `${host}:${hostPort}`;
}

function ownPortOf(text: string, place: string): number {
  const [, address, digits] = /^(?:(.*):)?(\d{1,5})$/s.exec(place) ?? [];
  if (digits === undefined) throw new ValueError(`"${text}" has no port before the =, as in ${EXAMPLE}`);
  if (address !== undefined && address !== '[::]')
    throw new ValueError(`"${text}": the address before the = is always [::], the Teredo address`);
  return checkedPort(text, digits);
}

function checkedPort(text: string, digits: string): number {
  const port = Number(digits);
  if (port < 1 || port > 65_535) throw new ValueError(`"${text}": a port is a number from 1 to 65535`);
  return port;
}
