import { SERVER_LIMITS } from '../../core/server/limits.ts';
import type { ServerSettings } from '../server.ts';
import {
  ALLOW,
  ALLOW_PRIVATE,
  ANNOUNCE,
  DENY,
  LISTEN_OPTIONS,
  LOG_OPTIONS,
  dataPath,
  limitOption,
  nameOf,
  XDP,
} from './common-options.ts';
import { HOST_ADDRESS, SECONDARY, WORKERS, text } from './kinds.ts';
import type { Options } from './option.ts';

/** The options of a server, in the order of `--help`. */
export const SERVER_OPTIONS = {
  address: {
    kind: HOST_ADDRESS,
    required: true,
    help: 'IPv4 address of this host, UDP port 3544: the public one, or the one that --announce is translated to',
  },
  secondary: {
    kind: SECONDARY,
    help: 'second IPv4 address (default: the first plus one, where the host has it or --announce-secondary is given)',
  },
  announce: ANNOUNCE,
  announceSecondary: { kind: HOST_ADDRESS, help: 'the same for --secondary' },
  name: nameOf('server'),
  ...LOG_OPTIONS,
  ...LISTEN_OPTIONS,
  mtu: {
    off: false,
    help: 'leave the MTU option out of advertisements: some checkers of Windows want 109 bytes',
  },
  native: { off: false, help: "do not forward clients' connectivity tests to native hosts" },
  keys: {
    kind: text('<file>'),
    live: 'contents',
    help: 'answer only clients with a key: lines of client id and secret, "expired" behind old ones',
  },
  dataPath: dataPath('answers solicitations and forwards bubbles'),
  xdp: XDP,
  workers: {
    kind: WORKERS,
    default: 1,
    help: 'threads that share the work of this process, one for each processor at most; for hosts without the kernel path',
  },
  allowPrivate: ALLOW_PRIVATE,
  allow: ALLOW,
  deny: DENY,
  limits: limitOption(SERVER_LIMITS),
} as const satisfies Options & Record<Exclude<keyof ServerSettings, 'access'>, unknown>;
