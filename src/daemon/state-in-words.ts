import type { ClientStatus, RelayStatus, RoleStatus, StateInWords } from '../control/status.ts';
import { adviceFor } from './advice.ts';
import { explainReason } from './explain.ts';
import { NO_FORWARDING, isReady } from './readiness.ts';

/** The same status, with its state in words. */
export function withWords<T extends RoleStatus>(status: T): T {
  return { ...status, inWords: stateInWords(status) };
}

/** Whether a role works, the reason where it does not, and what its user can do. */
export function stateInWords(status: RoleStatus): StateInWords {
  const ready = isReady(status);
  if (status.role === 'client') return { ready, ...clientInWords(status) };
  if (status.role === 'server') return { ready, state: status.state };
  return { ready, ...relayInWords(status) };
}

function clientInWords(status: ClientStatus): Omit<StateInWords, 'ready'> {
  const { state, reason } = status;
  const advice = adviceFor(state, reason);
  return {
    state: netshState(status),
    ...(reason === undefined ? {} : { reason: explainReason(reason) }),
    ...(advice === undefined ? {} : { advice }),
  };
}

/** netsh's word for the state, and its meaning. */
function netshState({ state, interface: name }: ClientStatus): string {
  switch (state) {
    case 'qualified':
      return name === '' ? 'qualified' : 'qualified: Teredo works';
    case 'offline':
      return 'offline: Teredo does not work';
    case 'probe':
      return 'probe: looking for a server';
    case 'dormant':
      return 'dormant: not needed now';
    default:
      return state;
  }
}

const DRAINING = 'draining: 2001::/32 is withdrawn; it still carries packets';

function relayInWords({ state, forwards }: RelayStatus): Omit<StateInWords, 'ready'> {
  const advice = forwards === false ? { advice: NO_FORWARDING } : undefined;
  return { state: state === 'draining' ? DRAINING : state, ...advice };
}
