import type { Handover, PredecessorState } from '../../src/io/ports.ts';
import type { StateParts } from '../../src/runtime/handover-use.ts';

/** The whole state, written in one turn. */
export function wholeState(parts: StateParts, isLast = true): Uint8Array {
  const all = [parts.header];
  for (let part = parts.next(); part !== undefined; part = parts.next()) all.push(part);
  return joined([...all, ...parts.end(isLast)]);
}

/** The state that a process of a role has from its predecessor; `next` is the one that it leaves. */
export class MemoryHandover implements Handover {
  private left: PredecessorState | undefined;
  next: Uint8Array | undefined;
  /** How many octets were written in each call. */
  readonly added: number[] = [];

  constructor(state?: Uint8Array, agoMs = 300) {
    this.next = state;
    this.left = state === undefined ? undefined : { state, agoMs };
  }

  takeLeft(): PredecessorState | undefined {
    const { left } = this;
    this.left = undefined;
    return left;
  }

  replace() {
    const parts: Uint8Array[] = [];
    return {
      add: (part: Uint8Array): void => {
        this.added.push(part.length);
        parts.push(part.slice());
      },
      end: (): void => void (this.next = joined(parts)),
    };
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
