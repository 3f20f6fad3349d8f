/**
 * The environment does not give what is needed. The message says what to do about it; `code` is stable:
 * - `not-permitted`: a capability is missing
 * - `no-tun`: no /dev/net/tun
 * - `interface-taken`, `port-taken`: somebody else has it
 * - `not-local`: the IPv4 address is none of this host's
 * - `no-kernel-path`: the kernel cannot carry packets, or this process may not have it do so
 * - `no-address`: a name does not resolve to an IPv4 address that a host can have
 * - `system`: the kernel or a program refused for a reason of its own
 */
export type EnvironmentErrorCode =
  | 'not-permitted'
  | 'no-tun'
  | 'interface-taken'
  | 'port-taken'
  | 'not-local'
  | 'no-kernel-path'
  | 'no-address'
  | 'system';

export class EnvironmentError extends Error {
  readonly code: EnvironmentErrorCode;

  constructor(code: EnvironmentErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'EnvironmentError';
    this.code = code;
  }
}
