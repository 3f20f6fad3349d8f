/** The state of a daemon in a few words, as the page shows it at the top. */
import type { RoleStatus } from '../control/status.ts';
import { formatSpan, secondsInState } from '../control/words.ts';

export interface Verdict {
  /** `waiting`: for another state to come; `resting`: until it is needed. */
  readonly mark: 'good' | 'bad' | 'waiting' | 'resting';
  readonly headline: string;
  /** The state by its name, the role, and since when. */
  readonly detail: string;
  readonly reason?: string;
  readonly advice?: string;
}

/** For a screen reader, in front of the headline. */
export const MEANINGS: Readonly<Record<Verdict['mark'], string>> = {
  good: 'Good: ',
  bad: 'Fault: ',
  waiting: 'In transition: ',
  resting: 'Not in use: ',
};

const ROLES = {
  client: 'client',
  server: 'server',
  relay: 'relay',
  'host-relay': 'host-specific relay',
} as const satisfies Readonly<Record<RoleStatus['role'], string>>;

export function verdictOf(status: RoleStatus): Verdict {
  const { inWords, role, name } = status;
  const state = inWords?.state ?? status.state;
  const colon = state.indexOf(': ');
  const [word, meaning] = colon < 0 ? [state, state] : [state.slice(0, colon), state.slice(colon + 2)];
  const seconds = secondsInState(status);
  const about = `${ROLES[role]} "${name}"`;
  return {
    mark: markOf(status),
    headline: headlineOf(status, meaning),
    detail: `${about}, ${word}${seconds === undefined ? '' : ` for ${formatSpan(seconds)}`}`,
    ...(inWords?.reason === undefined ? {} : { reason: inWords.reason }),
    ...(inWords?.advice === undefined ? {} : { advice: inWords.advice }),
  };
}

function markOf({ state, inWords, role }: RoleStatus): Verdict['mark'] {
  if (inWords?.ready ?? state === 'qualified')
    return role === 'client' && state === 'dormant' ? 'resting' : 'good';
  return state === 'probe' || state === 'draining' ? 'waiting' : 'bad';
}

function headlineOf(status: RoleStatus, meaning: string): string {
  if (status.role === 'client') return capitalized(meaning);
  const role = capitalized(ROLES[status.role]);
  if (status.state === 'draining') return `${role} is about to end`;
  return status.inWords?.ready === false ? `${role} runs, but cannot serve` : `${role} works`;
}

function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Of a page without the token that its requests have to give. */
export const NO_TOKEN: Verdict = {
  mark: 'bad',
  headline: 'This page needs a token',
  detail: 'The daemon answers only requests with its token',
  advice:
    'open the whole URL that "teredo dashboard" prints; for --listen-token add #token= and the token to this URL',
};

/** Of a page that gets no answer. */
export function noAnswer(message: string, daemon: string | undefined): Verdict {
  const named = daemon === undefined ? '' : ` ${daemon}`;
  return {
    mark: 'bad',
    headline: 'No answer from the daemon',
    detail: message,
    advice: `see whether it runs: teredo status${named}. This page tries again by itself`,
  };
}
