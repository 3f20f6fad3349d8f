import { survive } from '../io/system-failures.ts';
import { notifySystemd } from '../io/systemd.ts';
import type { Readiness } from './readiness.ts';

/** A role that cannot serve yet counts as started after this time: its state says the reason. */
const PATIENCE_MS = 10_000;
/** The least time between two looks at the state of a role. */
const SPACING_MS = 1_000;
/** The most between two looks: a role notices some changes of the host only when it is asked, as that of IPv6 forwarding. */
const LONGEST_MS = 5_000;

/** Tells the service manager when the role is ready, and its state in words whenever that changes. */
export class ServiceNotices {
  private readonly look: () => Readiness;
  private isReadySaid = false;
  private wordsSaid = '';
  private patience: NodeJS.Timeout | undefined;
  private next: NodeJS.Timeout | undefined;
  private lookedAt = -Infinity;
  private closed = false;

  constructor(look: () => Readiness) {
    this.look = look;
  }

  /** The role runs, though it may not be able to serve yet. */
  begin(): void {
    this.patience = setTimeout(() => this.sayReady(), PATIENCE_MS);
    this.patience.unref();
    this.report();
  }

  /** The state may have changed. Nothing is sent before {@link begin}. */
  changed(): void {
    if (this.patience === undefined || this.closed) return;
    const left = this.lookedAt + SPACING_MS - performance.now();
    if (left <= 0 || !this.isReadySaid) this.report();
    else this.reportIn(left);
  }

  /** The role ends. */
  close(): void {
    this.closed = true;
    clearTimeout(this.patience);
    clearTimeout(this.next);
    notifySystemd('STOPPING=1');
  }

  private report(): void {
    this.lookedAt = performance.now();
    const isSaid = survive(() => this.sayState());
    this.reportIn(isSaid ? LONGEST_MS : SPACING_MS);
  }

  private reportIn(ms: number): void {
    clearTimeout(this.next);
    this.next = setTimeout(() => this.report(), ms);
    this.next.unref();
  }

  private sayState(): void {
    const { isReady, words } = this.look();
    if (words !== this.wordsSaid) notifySystemd(`STATUS=${words}`);
    this.wordsSaid = words;
    if (isReady) this.sayReady();
  }

  private sayReady(): void {
    if (this.isReadySaid) return;
    this.isReadySaid = true;
    clearTimeout(this.patience);
    notifySystemd('READY=1');
  }
}
