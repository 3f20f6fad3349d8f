/**
 * The environment lacks something that is needed. The message says how to provide it; `code` is stable:
 * - `not-permitted`: a capability is missing
 * - `no-tun`: no /dev/net/tun
 * - `interface-taken`, `port-taken`: another program has it
 * - `not-local`: the IPv4 address is not an address of this host
 * - `no-kernel-path`: the kernel cannot carry packets, or does not permit it to this process
 * - `no-address`: a name does not resolve to an IPv4 address that a host can have
 * - `system`: the kernel or a program refused for another reason
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
