import { GUEST_OPTIONS } from './guest-options.ts';
import { text } from './kinds.ts';
import type { Options } from './option.ts';
import { PROXY_PLACE } from './proxy-place.ts';

const { servers, listen: _listen, listenToken: _token, inbound, ...client } = GUEST_OPTIONS;

/** The options of `teredo proxy`: its own, and those of its client. */
export const PROXY_OPTIONS = {
  servers,
  listen: {
    kind: PROXY_PLACE,
    setting: false,
    default: { kind: 'tcp', host: '127.0.0.1', port: 1080 },
    help: 'where programs find the proxy: on 127.0.0.1 unless an address is given. Other addresses than loopback ones need --user',
  },
  user: {
    kind: text('<name>'),
    setting: false,
    help: 'user that clients have to name, together with --password-file',
  },
  passwordFile: { kind: text('<file>'), setting: false, help: 'file with the password of --user' },
  ipv6Only: {
    on: true,
    setting: false,
    help: 'no IPv4: without this, hosts that have no IPv6 are reached from the network of this host',
  },
  ...client,
  inbound: {
    ...inbound,
    default: 'refuse',
    help: 'refuse: only answers come in by the tunnel',
  },
} as const satisfies Options;
