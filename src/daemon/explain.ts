import type { QualificationReason } from '../core/events.ts';

/** A reason in words, with advice. */
export function explainReason(reason: QualificationReason): string {
  return REASONS[reason];
}

const REASONS: Readonly<Record<QualificationReason, string>> = {
  'no-answer':
    'no server answers over UDP: the server is down, it refuses the address of this host, its name is outdated, or UDP to port 3544 is blocked on the way',
  'no-answer-secondary':
    "the server's second address does not answer, so the NAT's kind stays unknown: another server, or --secondary none for one that has only one address",
  'invalid-answer': 'an answer came, but not a valid one from the server that was asked',
  'answer-from-elsewhere':
    'the answer comes from another address or port than was asked: the server sends from the wrong one of its addresses, or something on the way changes them',
  'authentication-failed': "the server's answers do not fit the key: check the client id and the secret",
  'symmetric-nat':
    'the NAT is symmetric (another mapping for each destination), with which RFC 4380 alone, without the extensions of RFC 6081, does not work: forward a UDP port to this host and give it with --port',
  'mapping-not-global':
    'the server sees this host at a private address: server and client are in one private network (--allow-private)',
  'no-server': 'no server is known: none of the names could be resolved',
  'native-ipv6': 'this host has native IPv6, and the client rests while it has (--only-without-ipv6)',
  'network-changed': 'the network has changed',
  stopped: 'stopped',
};
