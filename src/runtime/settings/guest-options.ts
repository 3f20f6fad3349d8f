import { CLIENT_OPTIONS } from './client-options.ts';
import type { Options } from './option.ts';

const {
  dataPath: _dataPath,
  xdp: _xdp,
  merge: _merge,
  workers: _workers,
  defaultRoute: _defaultRoute,
  onlyWithoutIpv6: _only,
  ...same
} = CLIENT_OPTIONS;

/** The options of a client for one command or container: it has the default route of a network namespace without other IPv6. */
export const GUEST_OPTIONS = {
  ...same,
  logLevel: { ...CLIENT_OPTIONS.logLevel, default: 'warn' },
} as const satisfies Options;
