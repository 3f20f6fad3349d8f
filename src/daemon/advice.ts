import type { ClientState, QualificationReason } from '../core/events.ts';

/** A step for the user of a client that has no address; undefined where there is nothing to do. */
export function adviceFor(state: ClientState, reason: QualificationReason | undefined): string | undefined {
  if (state === 'qualified' || state === 'dormant') return undefined;
  return reason === undefined ? WAIT : ADVICE[reason];
}

const WAIT = 'wait some seconds';
const COMPARE = 'compare with another server: teredo netcheck --server YOURS,ANOTHER';

const ADVICE: Readonly<Record<QualificationReason, string>> = {
  'no-answer': `${COMPARE}; the client tries again by itself`,
  'no-answer-secondary': 'start the client with another --server, or with --secondary none',
  'invalid-answer': COMPARE,
  'answer-from-elsewhere': COMPARE,
  'authentication-failed':
    'compare --client-id and --secret-file with the data of the operator of the server',
  'symmetric-nat': 'forward a UDP port of the router to this host, and give it with --port',
  'mapping-not-global':
    'start the client with --allow-private if the network is private on purpose; else use a server outside',
  'no-server': 'check the names after --server, and the DNS of this host: getent ahostsv4 NAME',
  'network-changed': WAIT,
  'native-ipv6': 'nothing: the host has IPv6',
  stopped: 'start it again',
};
