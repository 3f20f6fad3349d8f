import { readSysctl } from '../../linux/proc.ts';
import { isUserMapped } from '../../linux/user-map.ts';
import { EnvironmentError } from '../errors.ts';
import type { Hello } from './agent-messages.ts';

/** Why there is no guest, with the way out. `hello`: the agent's message, if there was one; `complaints`: messages of the programs that make it. */
export function explainGuest(
  hello: Hello | undefined,
  complaints: string,
  isLate: boolean,
  sysctl: (name: string) => string | undefined = readSysctl,
  isMapped: () => boolean = isUserMapped,
): EnvironmentError {
  if (hello !== undefined && 'message' in hello) return new EnvironmentError(hello.code, hello.message);
  if (hello !== undefined && 'call' in hello) return explainAgent(hello);
  const said = complaints.trim().split('\n')[0] ?? '';
  if (isLate) return new EnvironmentError('system', `the private network was not ready in time: ${said}`);
  if (/not found|No such file|ENOENT/.test(said))
    return new EnvironmentError(
      'system',
      `${said}: it needs sh, and unshare, nsenter and setpriv of util-linux`,
    );
  if (/setuid failed/.test(said)) return explainInterface('EPERM');
  if (/reassociate|nsenter/.test(said))
    return new EnvironmentError(
      'not-permitted',
      `not permitted: this user has no rights over that network (${said}): attach as the user that made it, or as root`,
    );
  if (/unshare/.test(said) && !isMapped())
    return new EnvironmentError(
      'not-permitted',
      'not permitted: the user namespace of this process has no number for its user (65534 stands for that), so the user may not make another one: map it with "unshare --map-current-user", or run teredo outside',
    );
  if (
    /uid_map|gid_map|setgroups/.test(said) ||
    (/unshare/.test(said) && sysctl('kernel/apparmor_restrict_unprivileged_userns') === '1')
  )
    return new EnvironmentError(
      'not-permitted',
      'this system gives user namespaces no rights (AppArmor, as in Ubuntu): install the .deb, which has a profile, or "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"',
    );
  if (/unshare.*(No space|Operation not permitted)/.test(said)) return explainNoNamespaces(said, sysctl);
  return new EnvironmentError(
    'system',
    `no private network could be made: ${said || 'its first process has ended'}`,
  );
}

function explainAgent({ call, code }: Extract<Hello, { call: string }>): EnvironmentError {
  if (call === 'open' && (code === 'EACCES' || code === 'EPERM'))
    return new EnvironmentError(
      'not-permitted',
      'not permitted: /dev/net/tun is closed to this user: "chmod 666 /dev/net/tun", as on most systems; a container must be given the device with --device /dev/net/tun',
    );
  if (call === 'open')
    return new EnvironmentError(
      'no-tun',
      '/dev/net/tun is missing: "modprobe tun" loads it; a container must be given the device with --device /dev/net/tun, or uses "teredo proxy" of its host',
    );
  if (call === 'TUNSETIFF') return explainInterface(code);
  return new EnvironmentError('system', `in the private network the system refused: ${call}: ${code}`);
}

function explainInterface(code: string): EnvironmentError {
  if (code === 'EPERM')
    return new EnvironmentError(
      'not-permitted',
      'not permitted: the user namespace of that network has no root: make it with "unshare --map-root-user", or attach as root',
    );
  return new EnvironmentError(
    'interface-taken',
    `that network has an interface with this name already, or the name is not valid (${code}): use another --interface, or end the program that made it`,
  );
}

function explainNoNamespaces(said: string, sysctl: (name: string) => string | undefined): EnvironmentError {
  if (sysctl('user/max_user_namespaces') === '0')
    return new EnvironmentError(
      'not-permitted',
      'user namespaces are switched off: "sysctl -w user.max_user_namespaces=10000"',
    );
  if (sysctl('kernel/unprivileged_userns_clone') === '0')
    return new EnvironmentError(
      'not-permitted',
      'user namespaces are for root only: "sysctl -w kernel.unprivileged_userns_clone=1"',
    );
  return new EnvironmentError(
    'not-permitted',
    `user namespaces are refused (${said}): in a container the seccomp filter does that: "docker run --security-opt seccomp=unconfined" permits them, and "teredo client" in a container with --cap-add NET_ADMIN --device /dev/net/tun needs none; without both, use "teredo proxy" of the host`,
  );
}
