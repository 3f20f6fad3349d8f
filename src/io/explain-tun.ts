import type { SystemCallError } from '../linux/errors.ts';
import { EnvironmentError } from './errors.ts';
import { notPermitted } from './not-permitted.ts';

/** Why a tunnel's interface with this name cannot be opened, and what to do. */
export function explainTun(error: SystemCallError, name: string): EnvironmentError | undefined {
  if (
    error.call === 'open' &&
    (error.code === 'ENOENT' || error.code === 'ENXIO' || error.code === 'ENODEV')
  ) {
    return new EnvironmentError(
      'no-tun',
      '/dev/net/tun is missing: "modprobe tun" loads it; a container must be given the device',
      error,
    );
  }
  if (error.code === 'ENOTTY' || error.code === 'EISDIR' || error.code === 'ENOTDIR') {
    return new EnvironmentError(
      'no-tun',
      '/dev/net/tun is not the TUN device: remove it, then "mkdir -p /dev/net && mknod /dev/net/tun c 10 200"; a container must be given the device',
      error,
    );
  }
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return notPermitted('a tunnel interface', 'CAP_NET_ADMIN');
  if (error.code === 'EBUSY') {
    return new EnvironmentError(
      'interface-taken',
      `there is an interface "${name}" already: use another --interface, or end the program that made it`,
      error,
    );
  }
  if (error.code === 'EINVAL') {
    return new EnvironmentError(
      'interface-taken',
      `cannot make a tunnel interface "${name}": an interface of another kind has this name, or the name is not valid; use another --interface`,
      error,
    );
  }
  return undefined;
}
