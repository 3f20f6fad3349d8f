import type { ClientStatus, DaemonReadiness, RoleStatus } from '../control/status.ts';
import { explainReason } from './explain.ts';

/** Whether a role can serve, and its state in words. */
export interface Readiness {
  readonly isReady: boolean;
  readonly words: string;
}

/** The usual omission of a new operator. */
export const NO_FORWARDING = 'this host does not forward IPv6: sysctl -w net.ipv6.conf.all.forwarding=1';

/**
 * Whether a role can serve. A draining relay counts as not ready, although it still carries packets. A client that rests because the host has native
 * IPv6 (dormant) counts as ready: it works as wanted.
 */
export function isReady(status: RoleStatus): boolean {
  if (status.role !== 'client') return status.state === 'running' && forwards(status);
  return status.state === 'qualified' || status.state === 'dormant';
}

export function readinessOf(status: RoleStatus): Readiness {
  return {
    isReady: isReady(status),
    words: status.role === 'client' ? clientInWords(status) : inWords(status),
  };
}

/** For programs: `/readyz`, and a daemon of `teredo ready --json`. */
export function verdictOn(status: RoleStatus): DaemonReadiness {
  const { version, name, networkNamespace, role } = status;
  const { isReady: ready, words } = readinessOf(status);
  return { version, name, networkNamespace, role, ready, words, ...(ready ? {} : { reason: words }) };
}

function inWords(status: Exclude<RoleStatus, ClientStatus>): string {
  const port = status.role === 'server' ? '' : `:${status.port}`;
  const words = `${status.state} at ${status.address}${port}, ${status.dataPath.inUse} path`;
  return forwards(status) ? words : `${words}, but ${NO_FORWARDING}`;
}

/** Without it a relay passes nothing on. */
function forwards(status: Exclude<RoleStatus, ClientStatus>): boolean {
  return status.role === 'server' || status.forwards !== false;
}

function clientInWords({ state, reason, address, nat, dataPath }: ClientStatus): string {
  if (state === 'qualified') return `qualified: ${address}, NAT ${nat}, ${dataPath.inUse} path`;
  const because = reason === undefined ? '' : `: ${explainReason(reason)}`;
  return state === 'probe' ? `looking for a server${because}` : `${state}${because}`;
}
