/** The kinds of values that options have. */
import { formatIpv4, formatIpv4Prefix, formatIpv6 } from '../../wire/index.ts';
import type { Ipv4, Ipv4Prefix, Ipv6Prefix } from '../../wire/index.ts';
import { limitOf, namesOfLimits } from './limits.ts';
import type { LimitValues } from './limits.ts';
import type { Kind } from './option.ts';
import {
  accessPrefixesOf,
  hostAddressOf,
  interfaceOf,
  listenAddressOf,
  nameOf,
  nativePrefixesOf,
  portOf,
  refreshOf,
  secondsOf,
  relayOf,
  secondaryOf,
  serversOf,
  workersOf,
} from './parse.ts';
import type { HostPort } from './parse.ts';
import { quoted } from './quoted.ts';
import {
  DRAIN_LIMITS,
  REFRESH_SECONDS,
  faultOfChoice,
  faultOfHostAddress,
  faultOfInterface,
  faultOfPort,
  faultOfSeconds,
  faultOfWorkers,
  ipv4InWords,
} from './rules.ts';
import type { ListenAddress } from './rules.ts';

export const HOST_ADDRESS: Kind<Ipv4> = {
  placeholder: '<address>',
  fileType: 'text',
  parse: hostAddressOf,
  faultOf: faultOfHostAddress,
  inWords: ipv4InWords,
  textOf: formatIpv4,
};

export const SECONDARY: Kind<Ipv4 | 'none'> = {
  placeholder: '<address|none>',
  fileType: 'text',
  parse: secondaryOf,
  faultOf: (value) => (value === 'none' ? undefined : faultOfHostAddress(value)),
  inWords: (value) => (value === 'none' ? value : ipv4InWords(value)),
  textOf: (value) => (value === 'none' ? value : formatIpv4(value)),
};

export const PORT: Kind<number> = {
  placeholder: '<number>',
  fileType: 'number',
  parse: portOf,
  faultOf: faultOfPort,
};

export const WORKERS: Kind<number> = {
  placeholder: '<count>',
  fileType: 'number',
  parse: workersOf,
  faultOf: faultOfWorkers,
};

export const INTERFACE: Kind<string> = {
  placeholder: '<name>',
  fileType: 'text',
  parse: interfaceOf,
  faultOf: faultOfInterface,
};

export const NAME: Kind<string> = { placeholder: '<name>', fileType: 'text', parse: nameOf };

export const SERVERS: Kind<readonly string[]> = {
  placeholder: '<host[,host...]>',
  fileType: 'texts',
  parse: serversOf,
  textOf: (hosts) => [...hosts],
};

export const RELAY: Kind<HostPort> = {
  placeholder: '<host[:port]>',
  fileType: 'text',
  parse: relayOf,
  textOf: ({ host, port }) => `${host}:${port}`,
};

/** The port alone: on the loopback address. */
export const LISTEN: Kind<ListenAddress> = {
  placeholder: '<[address:]port>',
  fileType: 'number-or-text',
  parse: listenAddressOf,
  textOf: ({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`),
};

export const REFRESH: Kind<number | 'auto'> = {
  placeholder: '<seconds|auto>',
  fileType: 'number-or-text',
  parse: refreshOf,
  faultOf: (value) =>
    value === 'auto' ? undefined : faultOfSeconds(value / 1_000, REFRESH_SECONDS.low, REFRESH_SECONDS.high),
  inWords: (value) => (typeof value === 'number' ? `${value} ms` : quoted(value)),
  textOf: (value) => (typeof value === 'number' ? String(value / 1_000) : value),
};

/** Also with the unit: `5s`. */
export const DRAIN_SECONDS: Kind<number> = {
  placeholder: '<seconds>',
  fileType: 'number-or-text',
  parse: (text) => secondsOf(text.replace(/s$/, ''), DRAIN_LIMITS.low, DRAIN_LIMITS.high),
  faultOf: (value) => faultOfSeconds(value, DRAIN_LIMITS.low, DRAIN_LIMITS.high),
  textOf: (value) => `${value}s`,
};

export const NATIVE_PREFIXES: Kind<readonly Ipv6Prefix[]> = {
  placeholder: '<prefix...>',
  fileType: 'texts',
  parse: nativePrefixesOf,
  textOf: (prefixes) => prefixes.map(({ address, length }) => `${formatIpv6(address)}/${length}`),
};

export const ACCESS_PREFIXES: Kind<readonly Ipv4Prefix[]> = {
  placeholder: '<prefix...>',
  fileType: 'texts',
  parse: accessPrefixesOf,
  textOf: (prefixes) => prefixes.map(formatIpv4Prefix),
};

/** Any text. */
export function text(placeholder: string): Kind<string> {
  return { placeholder, fileType: 'text', parse: (given) => given };
}

/** One of a few words; the command line checks them by itself. */
export function choice<W extends string>(choices: readonly W[], placeholder: string): Kind<W> {
  return {
    placeholder,
    fileType: 'text',
    choices,
    parse: (word) => word as W,
    faultOf: (word) => faultOfChoice(word, choices),
  };
}

/** Limits of a role with these defaults. */
export function limits(defaults: object): Kind<LimitValues> {
  const known = namesOfLimits(defaults);
  return {
    placeholder: '<name=value...>',
    fileType: 'limits',
    parse: (given, before) => limitOf(given, known, before),
    textOf: (values) => [...values].map(([name, value]) => `${name}=${value}`),
  };
}
