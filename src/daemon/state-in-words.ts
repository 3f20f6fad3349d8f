import type { ClientStatus, RelayStatus, RoleStatus, StateInWords } from '../control/status.ts';
import type { QualificationReason } from '../core/events.ts';
import { adviceFor } from './advice.ts';
import { explainReason } from './explain.ts';
import { NO_FORWARDING, isReady } from './readiness.ts';

/** The same status, with its state in words. `asked`: names of the servers that a client has asked. */
export function withWords<T extends RoleStatus>(status: T, asked: readonly string[] = []): T {
  return { ...status, inWords: stateInWords(status, asked) };
}

/** Whether a role works, the reason where it does not, and what its user can do. */
export function stateInWords(status: RoleStatus, asked: readonly string[] = []): StateInWords {
  const ready = isReady(status);
  if (status.role === 'client') return { ready, ...clientInWords(status, asked) };
  if (status.role === 'server') return { ready, state: status.state };
  return { ready, ...relayInWords(status) };
}

function clientInWords(status: ClientStatus, asked: readonly string[]): Omit<StateInWords, 'ready'> {
  const { state, reason } = status;
  const advice = adviceFor(state, reason);
  return {
    state: netshState(status),
    ...(reason === undefined ? {} : { reason: reasonInWords(status, reason, asked) }),
    ...(advice === undefined ? {} : { advice }),
  };
}

/** The client may have hundreds of servers. */
const MOST_NAMED = 4;

function reasonInWords(
  { state, counters }: ClientStatus,
  reason: QualificationReason,
  asked: readonly string[],
): string {
  const words = [explainReason(reason)];
  if (state !== 'offline') return words[0]!;
  if (asked.length > 0) {
    const more = asked.length > MOST_NAMED ? ` and ${asked.length - MOST_NAMED} more` : '';
    words.push(`asked: ${asked.slice(0, MOST_NAMED).join(', ')}${more}`);
  }
  const refused = counters['udpSendFailures.EPERM'] ?? 0;
  if (refused > 0)
    words.push(
      `this host's own firewall has refused to send ${refused} datagrams since the start: see the rules for leaving packets, "nft list ruleset"`,
    );
  return words.join('; ');
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
