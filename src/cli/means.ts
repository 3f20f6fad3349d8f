import type { PeerMeans } from '../core/client/index.ts';

/** As in JSON, except for `met`. */
export function meansInWords(means: PeerMeans): string {
  return means === 'met' ? 'via your relay' : means;
}
