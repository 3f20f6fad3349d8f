import { CLIENT_OPTIONS } from './client-options.ts';
import { GUEST_OPTIONS } from './guest-options.ts';
import type { Options } from './option.ts';

const { listen: _listen, listenToken: _token, ...client } = GUEST_OPTIONS;

/** The options of `teredo forward`: those of its client. */
export const FORWARD_OPTIONS = {
  ...client,
  logLevel: CLIENT_OPTIONS.logLevel,
  inbound: { ...client.inbound, help: 'accept alone: the ports are there to be reached' },
} as const satisfies Options;
