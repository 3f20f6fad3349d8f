import type { UsersStatus } from '../control/status.ts';
import { formatOctets } from '../control/words.ts';

/** How exact the numbers are. */
export function notesOf({ exact, peers, prefixes, missedPeerBytes, missedPrefixBytes }: UsersStatus): string {
  if (exact) return 'Exact counts';
  const error = Math.max(0, ...[...peers, ...prefixes].map(({ errorBytes }) => errorBytes));
  const missed = Math.max(missedPeerBytes, missedPrefixBytes);
  const notes = [
    ...(error > 0 ? [`wrong by at most ${formatOctets(error)}`] : []),
    ...(missed > 0 ? [`users with less than ${formatOctets(missed)} may be missing`] : []),
  ];
  return notes.length === 0 ? '' : `Estimates: ${notes.join('; ')}`;
}
