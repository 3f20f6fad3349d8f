import { RELAY_LIMITS } from '../../core/relay/limits.ts';
import type { RelaySettings } from '../relay.ts';
import {
  ALLOW,
  ALLOW_PRIVATE,
  ANNOUNCE,
  DENY,
  INTERFACE_NAME,
  LISTEN_OPTIONS,
  LOG_OPTIONS,
  MERGE,
  dataPath,
  limitOption,
  nameOf,
  XDP,
} from './common-options.ts';
import { DRAIN_SECONDS, HOST_ADDRESS, NATIVE_PREFIXES, PORT, WORKERS } from './kinds.ts';
import type { Options } from './option.ts';
import { RELAY_PORT } from './parse.ts';

const common = (role: string) =>
  ({
    port: { kind: PORT, default: RELAY_PORT, mayBeZero: true, help: 'UDP port' },
    interface: INTERFACE_NAME,
    name: nameOf(role),
    ...LOG_OPTIONS,
    ...LISTEN_OPTIONS,
    trustCone: {
      on: true,
      help: "believe a client's cone bit and send it packets at once, as before RFC 5991",
    },
    allowPrivate: ALLOW_PRIVATE,
    dataPath: dataPath('carries the packets of verified peers'),
    xdp: XDP,
    merge: MERGE,
    workers: {
      kind: WORKERS,
      default: 1,
      help: 'threads that share the clients, one for each processor at most; with several the user path carries all packets',
    },
    allow: ALLOW,
    deny: DENY,
    limits: limitOption(RELAY_LIMITS),
  }) as const;

/** The options of a relay, in the order of `--help`. */
export const RELAY_OPTIONS = {
  ...common('relay'),
  address: {
    kind: HOST_ADDRESS,
    required: true,
    mayBeZero: true,
    help: 'IPv4 address of this host: the public one, or the one that --announce is translated to',
  },
  announce: ANNOUNCE,
  meet: {
    on: true,
    help:
      'also pass packets on between clients that name this relay with --meet, and reach each other no other way; ' +
      'how many octets: --limit meeting..., meetings...',
  },
  drain: {
    kind: DRAIN_SECONDS,
    help: 'at SIGTERM withdraw the route 2001::/32, and end this much later (default: end at once)',
  },
  serve: { kind: NATIVE_PREFIXES, help: 'native prefixes served (default: all of 2000::/3)' },
} as const satisfies Options & Record<Exclude<keyof RelaySettings, 'access' | 'directBubbles'>, unknown>;

/** The options of a host-specific relay, in the order of `--help`. */
export const HOST_RELAY_OPTIONS = {
  ...common('host-relay'),
  address: { kind: HOST_ADDRESS, mayBeZero: true, help: 'IPv4 address of this host (default: any)' },
  directBubbles: {
    on: true,
    off: false,
    help: 'send bubbles straight to clients, too: opens the NAT that this host is behind (default: where its IPv4 address is not global)',
    helpOff: 'leave that out',
  },
} as const satisfies Options &
  Record<Exclude<keyof RelaySettings, 'access' | 'announce' | 'meet' | 'serve'>, unknown>;
