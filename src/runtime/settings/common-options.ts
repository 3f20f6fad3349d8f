/** Options that several roles have. */
import type { Ipv4 } from '../../wire/index.ts';
import { DATA_PATH_WISHES } from '../data-path-use.ts';
import type { DataPathWish } from '../data-path-use.ts';
import { MERGE_WISHES, XDP_WISHES } from '../../io/ports.ts';
import type { MergeWish, XdpWish } from '../../io/ports.ts';
import { ACCESS_PREFIXES, HOST_ADDRESS, INTERFACE, LISTEN, NAME, choice, limits, text } from './kinds.ts';
import type { LimitValues } from './limits.ts';
import type { SwitchOption, ValueOption } from './option.ts';

export const INTERFACE_NAME = {
  kind: INTERFACE,
  default: 'teredo',
  help: 'name of the tunnel interface',
} as const satisfies ValueOption<string>;

export const ALLOW_PRIVATE = {
  on: true,
  help: 'take private IPv4 addresses for global ones: only for a closed network',
} as const satisfies SwitchOption<true>;

/** Of a server and of a relay. */
export const ANNOUNCE = {
  kind: HOST_ADDRESS,
  help: 'public IPv4 address by which clients reach --address, where a 1:1 NAT translates one to the other (default: --address)',
} as const satisfies ValueOption<Ipv4>;

export const ALLOW = {
  kind: ACCESS_PREFIXES,
  setting: 'access',
  group: 'access',
  live: true,
  help: 'IPv4 addresses that are served; see "Access" below',
} as const;

export const DENY = {
  kind: ACCESS_PREFIXES,
  setting: 'access',
  group: 'access',
  live: true,
  help: 'IPv4 addresses that are not served',
} as const;

/** `work`: of the kernel, or of the process. */
export function dataPath(work: string) {
  return {
    kind: choice(DATA_PATH_WISHES, '<path>'),
    default: 'auto',
    help: `which data path ${work}; auto: the kernel where it can, else this program, and "teredo status" says why`,
  } as const satisfies ValueOption<DataPathWish>;
}

export const XDP = {
  kind: choice(XDP_WISHES, '<use>'),
  default: 'auto',
  help: 'whether the kernel path begins in the drivers of interfaces; auto: where other traffic loses nothing by it; on: wherever the driver can',
} as const satisfies ValueOption<XdpWish>;

export const MERGE = {
  kind: choice(MERGE_WISHES, '<use>'),
  default: 'auto',
  help: 'whether the kernel path merges TCP segments in a pair of virtual interfaces; auto: where their interface merges packets; on: also elsewhere',
} as const satisfies ValueOption<MergeWish>;

/** The daemon's name; `usual`: unless one is given. */
export function nameOf(usual: string) {
  return {
    kind: NAME,
    setting: false,
    help: `name of this daemon, for "teredo status" (default: ${usual})`,
  } as const satisfies ValueOption<string>;
}

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['auto', 'text', 'json', 'journal'] as const;
export type LogFormatName = (typeof LOG_FORMATS)[number];

/** The log of a daemon; nothing of the library. */
export const LOG_OPTIONS = {
  logLevel: {
    kind: choice(LOG_LEVELS, '<level>'),
    default: 'info',
    setting: false,
    live: true,
    help: 'the least important lines of the log that are written',
  },
  logFormat: {
    kind: choice(LOG_FORMATS, '<format>'),
    default: 'auto',
    setting: false,
    help: 'lines for people, for programs, or with priorities for the journal; auto: journal if stderr is the journal, else text',
  },
} as const satisfies Readonly<Record<string, ValueOption<string>>>;

/** HTTP of a daemon over TCP; nothing of the library. */
export const LISTEN_OPTIONS = {
  listen: {
    kind: LISTEN,
    setting: false,
    help: 'also answer HTTP (metrics, health, status) at this TCP port, on 127.0.0.1 unless an address is given',
  },
  listenToken: {
    kind: text('<file>'),
    setting: false,
    live: 'contents',
    help: 'file with a secret that requests to --listen need; required for an address other hosts reach',
  },
} as const satisfies Readonly<Record<string, ValueOption<unknown>>>;

/** `defaults`: the role's limits. */
export function limitOption(defaults: object) {
  return {
    kind: limits(defaults),
    flag: 'limit',
    group: 'limits',
    live: true,
    help: 'change a limit; --help-limits lists them',
  } as const satisfies ValueOption<LimitValues>;
}
