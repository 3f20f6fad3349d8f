import type { LimitHits, LimitName, LimitReport, Subject } from '../core/limit-hits.ts';
import type { CancelTimer, Clock } from '../io/ports.ts';
import { formatIpv4, formatIpv6 } from '../wire/index.ts';
import { counted } from './counted.ts';

/** From the first time that a limit is reached to the first line: by then it shows the addresses that reach it. */
const FIRST_MS = 1_000;
/** A limit that is reached all the time is said so often. */
const REPEAT_MS = 60_000;
/** How often is looked, and how long nothing has happened when it is over. */
const LOOK_MS = 5_000;
/** Subjects in a line. */
const SHOWN = 3;

/** Of a limit that was reached within the last minute. */
interface Reached {
  /** The start of the count of hits that are not yet reported. */
  since: number;
  saidAt: number;
  /** The limit is still reached: its end has not been reported yet. */
  isGoingOn: boolean;
  /** Unsaid times when it was last looked at. */
  unsaid: number;
}

/**
 * Lines about limits that are reached: which, by which addresses most, how often. Of each limit one soon after it begins, one each minute while it
 * lasts, and one with the rest when it is over.
 */
export class LimitLog {
  private readonly hits: LimitHits;
  private readonly clock: Clock;
  private readonly say: (line: string) => void;
  private readonly reached = new Map<LimitName, Reached>();
  private cancel: CancelTimer | undefined;
  private closed = false;

  constructor(hits: LimitHits, clock: Clock, say: (line: string) => void) {
    this.hits = hits;
    this.clock = clock;
    this.say = say;
  }

  /** Limits may have been reached. */
  trigger(): void {
    if (this.cancel !== undefined || this.closed || !this.hits.isPending) return;
    this.lookIn(FIRST_MS);
  }

  /** The limits that were reached within the last minute. */
  get recent(): LimitName[] {
    return [...new Set([...this.reached.keys(), ...[...this.hits.pending()].map(({ limit }) => limit)])];
  }

  /** Reports the hits that are not yet reported. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.cancel?.();
    const now = this.clock.now();
    for (const { limit } of [...this.hits.pending()])
      this.tell(limit, this.reached.get(limit)?.since ?? now, now);
  }

  private lookIn(ms: number): void {
    this.cancel = this.clock.setTimer(this.clock.now() + ms, () => {
      this.cancel = undefined;
      this.look(ms);
      if (this.hits.isPending || this.reached.size > 0) this.lookIn(LOOK_MS);
    });
  }

  private look(sinceLastMs: number): void {
    const now = this.clock.now();
    for (const { limit, times } of [...this.hits.pending()]) {
      const found = this.reached.get(limit);
      if (found === undefined) {
        this.tell(limit, now - sinceLastMs, now);
        this.reached.set(limit, { since: now, saidAt: now, isGoingOn: true, unsaid: 0 });
        continue;
      }
      const isOver = found.isGoingOn && times === found.unsaid;
      found.unsaid = times;
      if (!isOver && now - found.saidAt < REPEAT_MS) continue;
      this.tell(limit, found.since, now);
      this.reached.set(limit, { since: now, saidAt: now, isGoingOn: !isOver, unsaid: 0 });
    }
    for (const [limit, { saidAt, unsaid }] of this.reached)
      if (unsaid === 0 && now - saidAt >= REPEAT_MS) this.reached.delete(limit);
  }

  private tell(limit: LimitName, since: number, now: number): void {
    this.say(lineOf(this.hits.take(limit), Math.max(1, Math.round((now - since) / 1000))));
  }
}

function lineOf({ limit, times, subjects }: LimitReport, seconds: number): string {
  const [noun, verb] = EFFECTS[limit];
  const count = `${counted(times, noun)} ${verb} within ${seconds} s`;
  return `limit ${limit} reached by ${subjectsInWords(subjects, times)}, ${count}`;
}

/** The most frequent ones that make a difference. */
function subjectsInWords(subjects: readonly Subject[], times: number): string {
  const shown = subjects.slice(0, SHOWN).filter((subject, i) => i === 0 || subject.times >= times / 100);
  const known = shown.reduce((sum, subject) => sum + subject.times, 0);
  if (shown.length === 0 || known === 0) return 'many addresses';
  const [first] = shown;
  if (shown.length === 1 && first!.times === times) return subjectInWords(first!);
  const words = shown.map((subject) => `${subjectInWords(subject)} (${counted(subject.times, 'time')})`);
  if (known < times) words.push('others');
  return words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`;
}

function subjectInWords({ kind, words: [a, b] }: Subject): string {
  if (kind === 'ipv4') return formatIpv4(a);
  if (kind === 'uid') return `the local user ${a}`;
  const network = new Uint8Array(16);
  const view = new DataView(network.buffer);
  view.setUint32(0, a);
  view.setUint32(4, b);
  return `${formatIpv6(network)}/64`;
}

/** The effect of each limit: noun and verb. */
export const EFFECTS: Readonly<Record<LimitName, readonly [string, string]>> = {
  answers: ['answer', 'not sent'],
  'forwarded-by-pair': ['packet', 'dropped'],
  forwarded: ['packet', 'dropped'],
  'forwarded-icmp-by-pair': ['packet', 'dropped'],
  'forwarded-icmp': ['packet', 'dropped'],
  'native-by-client': ['packet', 'dropped'],
  native: ['packet', 'dropped'],
  'by-source': ['packet', 'dropped'],
  'by-server': ['bubble', 'not sent'],
  'by-client': ['bubble', 'not sent'],
  meeting: ['packet', 'dropped'],
  meetings: ['packet', 'dropped'],
  errors: ['ICMPv6 error', 'not sent'],
  'peers.trusted': ['peer', 'replaced or refused'],
  'peers.unverified': ['peer', 'replaced'],
  contacts: ['packet', 'dropped'],
  waiting: ['packet', 'dropped'],
  'bubble-replies': ['bubble', 'not sent'],
  'direct-bubbles': ['bubble', 'not sent'],
  'indirect-bubbles': ['bubble', 'not sent'],
  'unsolicited-tests': ['test or contact', 'not begun'],
  'discovery-replies': ['discovery bubble', 'not answered'],
  'icmp-errors': ['ICMPv6 error', 'not sent'],
  guesses: ['guess', 'not begun'],
  'guesses-by-address': ['guess', 'not begun'],
  'random-ports': ['socket', 'not opened'],
  queue: ['packet', 'dropped'],
  held: ['packet', 'dropped'],
  'bubbles-to-peer': ['attempt', 'not made'],
  proofs: ['proof of the kernel path', 'put off'],
  'control-socket': ['connection', 'refused'],
};
