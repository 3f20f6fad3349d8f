import { survive } from '../io/system-failures.ts';
import { notifySystemd } from '../io/systemd.ts';
import type { Readiness } from './readiness.ts';

/** A role that cannot serve yet counts as started after this time: its state says the reason. */
const PATIENCE_MS = 10_000;
/** The least time between two looks at the state of a role that is ready. */
const SPACING_MS = 1_000;

/** Tells the service manager when the role is ready, and its state in words whenever that changes. */
export class ServiceNotices {
  private readonly look: () => Readiness;
  private isReadySaid = false;
  private wordsSaid = '';
  private patience: NodeJS.Timeout | undefined;
  private spacing: NodeJS.Timeout | undefined;
  private isChanged = false;
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
    this.isChanged = true;
    if (this.spacing === undefined || !this.isReadySaid) this.report();
  }

  /** The role ends. */
  close(): void {
    this.closed = true;
    clearTimeout(this.patience);
    clearTimeout(this.spacing);
    notifySystemd('STOPPING=1');
  }

  private report(): void {
    clearTimeout(this.spacing);
    this.isChanged = !survive(() => this.sayState());
    this.spacing = setTimeout(() => {
      this.spacing = undefined;
      if (this.isChanged) this.report();
    }, SPACING_MS);
    this.spacing.unref();
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
