import { CLIENT_LIMITS } from '../../core/client/limits.ts';
import type { ClientSettings } from '../client-settings.ts';
import {
  ALLOW_PRIVATE,
  INTERFACE_NAME,
  LISTEN_OPTIONS,
  LOG_OPTIONS,
  MERGE,
  dataPath,
  limitOption,
  nameOf,
  XDP,
} from './common-options.ts';
import { HOST_ADDRESS, PORT, REFRESH, RELAY, SECONDARY, SERVERS, WORKERS, choice, text } from './kinds.ts';
import type { Options } from './option.ts';

/** Settings for programs only: tests, and files that a daemon chooses by itself. `secret` is put together of two options. */
type LibraryOnly = 'requireSecondary' | 'portMappingFile' | 'secret';

/** The options of a client, in the order of `--help`. */
export const CLIENT_OPTIONS = {
  servers: {
    kind: SERVERS,
    flag: 'server',
    required: true,
    live: true,
    help: 'servers: names or IPv4 addresses; the fastest is used',
  },
  secondary: {
    kind: SECONDARY,
    live: true,
    help:
      'second IPv4 address of the one server named; of several behind its name that of the one before it, else of the first ' +
      '(default: the first plus one)',
  },
  port: { kind: PORT, mayBeZero: true, help: 'local UDP port (default: any free one)' },
  bind: { kind: HOST_ADDRESS, mayBeZero: true, help: 'local IPv4 address (default: any)' },
  interface: INTERFACE_NAME,
  name: nameOf('client'),
  ...LOG_OPTIONS,
  ...LISTEN_OPTIONS,
  defaultRoute: {
    on: 'always',
    off: 'never',
    choices: ['auto', 'always', 'never'],
    help: 'send all IPv6 through the tunnel, even where the host has native IPv6',
    helpOff: 'only other Teredo clients through the tunnel',
  },
  inbound: {
    kind: choice(['accept', 'refuse'], '<accept|refuse>'),
    default: 'accept',
    help: 'refuse: only answers to packets that this host has sent come in by the tunnel',
  },
  onlyWithoutIpv6: {
    on: true,
    help: 'rest while the host has native IPv6, as RFC 4380 section 5.5 has it',
  },
  refresh: {
    kind: REFRESH,
    help: 'refresh interval of the NAT mapping; auto finds out (default: 30)',
  },
  localDiscovery: { off: false, help: 'do not look for clients on the same link' },
  portMapping: {
    off: 'off',
    choices: ['auto', 'off'],
    help: 'do not ask the gateway to open the port (PCP, NAT-PMP, UPnP)',
  },
  localSameNat: {
    on: true,
    help: 'of those on the same link take only clients behind the same NAT',
  },
  strictUnverified: {
    on: true,
    help: 'hold packets of native hosts back until a connectivity test has succeeded',
  },
  legacyCone: {
    on: true,
    help: 'look for a cone NAT first and believe that of peers, as before RFC 5991',
  },
  clientId: {
    kind: text('<id>'),
    setting: 'secret.clientId',
    help: 'identifier for a server that asks for a key',
  },
  secretFile: { kind: text('<file>'), setting: 'secret.secret', help: 'file that holds the key' },
  meet: {
    kind: RELAY,
    help:
      'name or IPv4 address of your own relay, run with --meet too: peers that have the same are reached via it when nothing else ' +
      'reaches them (port: 3545)',
  },
  allowPrivate: ALLOW_PRIVATE,
  dataPath: dataPath('carries the packets of verified peers'),
  xdp: XDP,
  merge: MERGE,
  workers: {
    kind: WORKERS,
    default: 1,
    help: 'threads that share the peers, one for each processor at most; with several the user path carries all packets',
  },
  limits: limitOption(CLIENT_LIMITS),
} as const satisfies Options & Record<Exclude<keyof ClientSettings, LibraryOnly>, unknown>;
