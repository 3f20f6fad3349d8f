import type { Ipv4 } from '../../wire/index.ts';
import type { ServerCandidate } from './options.ts';
import type { Answer, InvalidAnswer, SentSolicitation, ServerResult } from './status.ts';

/** How many of each kind are kept for a server. */
const KEPT = 16;

/** The questions to one server, and its answers. */
export class ServerLog implements ServerResult {
  readonly primary: Ipv4;
  readonly secondary: Ipv4 | undefined;
  readonly name: string | undefined;
  readonly solicitations: SentSolicitation[] = [];
  readonly answers: Answer[] = [];
  readonly invalidAnswers: InvalidAnswer[] = [];
  /** Whether its last answer said so of our key. CL-35 */
  keyExpired = false;

  constructor(server: ServerCandidate) {
    this.primary = server.primary;
    this.secondary = server.secondary;
    this.name = server.name;
  }

  sent(solicitation: SentSolicitation): void {
    keep(this.solicitations, solicitation);
  }

  answered(answer: Answer): void {
    keep(this.answers, answer);
  }

  refused(answer: InvalidAnswer): void {
    keep(this.invalidAnswers, answer);
  }
}

function keep<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > KEPT) list.shift();
}
