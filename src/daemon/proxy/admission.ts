import { ShareTree } from './share-tree.ts';
import type { SourcePath } from './source-path.ts';

/** A place for one connection. */
export interface Place {
  /** Gives it back. Harmless when repeated. */
  readonly leave: () => void;
  /** Its source has shown that it is there: another one does not get the place as long as there are places whose source has not. */
  readonly confirm: () => void;
}

interface Held {
  readonly path: SourcePath;
  readonly end: () => void;
  heardAt: number;
  state: 'new' | 'confirmed' | 'left';
}

export interface AdmissionLimits {
  /** Places. */
  readonly most: number;
  /** Of these, for confirmed ones. Default: all. The others always change hands, so that a newcomer is served at least for a while. */
  readonly mostConfirmed?: number;
  /** A confirmed place that was silent for so long goes to another source. Default: none. */
  readonly silentMs?: number;
}

/**
 * Shares a number of places among sources. When all are taken, a newcomer gets the place
 *
 * - that was taken first, of those that are not confirmed, of the source with most of them, or of its own source; else
 * - that was taken last, of a source that has more places than the newcomer's: in its whole, or in its part of the same whole; else
 * - that is silent for the longest time.
 *
 * A source with more places never gets one of a source with fewer.
 */
export class Admission {
  private readonly most: number;
  private readonly mostConfirmed: number;
  private readonly silentMs: number;
  private readonly fresh = new ShareTree<Held>('first');
  private readonly confirmed = new ShareTree<Held>('last');
  /** The confirmed places, the most silent one first. */
  private readonly bySilence = new Set<Held>();

  constructor({ most, mostConfirmed = most, silentMs = Infinity }: AdmissionLimits) {
    this.most = most;
    this.mostConfirmed = mostConfirmed;
    this.silentMs = silentMs;
  }

  /** Undefined: there is no place for this source. `end`: ends the connection, when another source gets its place. */
  admit(path: SourcePath, end: () => void): Place | undefined {
    if (this.fresh.size + this.confirmed.size >= this.most && !this.makeRoom(path)) return undefined;
    const held: Held = { path, end, heardAt: 0, state: 'new' };
    this.fresh.add(held);
    return { leave: () => this.leave(held), confirm: () => this.confirm(held) };
  }

  private makeRoom(path: SourcePath): boolean {
    for (const all of [this.fresh.fullest(), this.fresh.of(path)])
      for (const first of all ?? []) {
        if (!this.mayReplace(path, first)) break;
        this.take(first);
        return true;
      }
    return this.makeConfirmedRoom(path);
  }

  private makeConfirmedRoom(path: SourcePath): boolean {
    const others = this.confirmed.fullerThan(path);
    const victim = others === undefined ? this.mostSilent() : [...others].at(-1);
    if (victim === undefined || !this.mayReplace(path, victim)) return false;
    this.take(victim);
    return true;
  }

  private mayReplace(path: SourcePath, { path: other }: Held): boolean {
    const at = path.findIndex((key, level) => key !== other[level]);
    return at < 0 || this.count(other, at + 1) >= this.count(path, at + 1);
  }

  private count(path: SourcePath, levels: number): number {
    return this.fresh.count(path, levels) + this.confirmed.count(path, levels);
  }

  private mostSilent(): Held | undefined {
    for (const held of this.bySilence)
      return performance.now() - held.heardAt >= this.silentMs ? held : undefined;
    return undefined;
  }

  private take(held: Held): void {
    this.leave(held);
    held.end();
  }

  private confirm(held: Held): void {
    if (held.state === 'left') return;
    if (held.state === 'new') {
      if (this.confirmed.size >= this.mostConfirmed && !this.makeConfirmedRoom(held.path)) return;
      held.state = 'confirmed';
      this.fresh.remove(held);
      this.confirmed.add(held);
    }
    held.heardAt = performance.now();
    this.bySilence.delete(held);
    this.bySilence.add(held);
  }

  private leave(held: Held): void {
    held.state = 'left';
    this.fresh.remove(held);
    this.confirmed.remove(held);
    this.bySilence.delete(held);
  }
}
