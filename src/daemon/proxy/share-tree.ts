import type { SourcePath } from './source-path.ts';

/** A place, with the path of its source. */
export interface Placed {
  readonly path: SourcePath;
}

interface Branch<T> {
  count: number;
  readonly branches: Map<number, Branch<T>>;
  /** At the end of a path: its places, in the order of their addition. */
  readonly places: Set<T>;
}

/** Places by their source, with the number of them in each whole and each part of it. */
export class ShareTree<T extends Placed> {
  private readonly root: Branch<T> = emptyBranch();
  private readonly ofEqual: 'first' | 'last';

  /** `ofEqual`: which one of two sources with as many places is taken for the fuller one. */
  constructor(ofEqual: 'first' | 'last') {
    this.ofEqual = ofEqual;
  }

  get size(): number {
    return this.root.count;
  }

  add(place: T): void {
    let branch = this.root;
    branch.count++;
    for (const key of place.path) {
      const below = branch.branches.get(key) ?? emptyBranch();
      branch.branches.set(key, below);
      branch = below;
      branch.count++;
    }
    branch.places.add(place);
  }

  /** Harmless when repeated. */
  remove(place: T): void {
    const way = [this.root];
    for (const key of place.path) {
      const below = way.at(-1)!.branches.get(key);
      if (below === undefined) return;
      way.push(below);
    }
    if (!way.at(-1)!.places.delete(place)) return;
    for (const branch of way) branch.count--;
    for (const [level, key] of place.path.entries())
      if (way[level + 1]!.count === 0) way[level]!.branches.delete(key);
  }

  /** The number of places of the whole (`levels`: 1), of the part (2) or of the source itself (3) of a path. */
  count(path: SourcePath, levels: number): number {
    return this.branchAt(path, levels)?.count ?? 0;
  }

  /** The places of one source. */
  of(path: SourcePath): ReadonlySet<T> | undefined {
    return this.branchAt(path, path.length)?.places;
  }

  /** The places of the source with most of them, in the whole with most of them. */
  fullest(from = this.root): ReadonlySet<T> {
    let branch = from;
    while (branch.branches.size > 0) branch = this.largestOf(branch);
    return branch.places;
  }

  /** The places of a source that has more than its share, if `path` has less: at the highest level where they are not equal. */
  fullerThan(path: SourcePath): ReadonlySet<T> | undefined {
    let branch: Branch<T> | undefined = this.root;
    for (const key of path) {
      if (branch.branches.size === 0) return undefined;
      const own: Branch<T> | undefined = branch.branches.get(key);
      const largest = this.largestOf(branch);
      if (largest.count > (own?.count ?? 0) + 1) return this.fullest(largest);
      if (own === undefined) return undefined;
      branch = own;
    }
    return undefined;
  }

  private largestOf({ branches }: Branch<T>): Branch<T> {
    const lead = this.ofEqual === 'first' ? 1 : 0;
    let largest: Branch<T> | undefined;
    for (const branch of branches.values())
      if (largest === undefined || branch.count >= largest.count + lead) largest = branch;
    return largest!;
  }

  private branchAt(path: SourcePath, levels: number): Branch<T> | undefined {
    let branch: Branch<T> | undefined = this.root;
    for (let level = 0; level < levels; level++) branch = branch?.branches.get(path[level]!);
    return branch;
  }
}

function emptyBranch<T>(): Branch<T> {
  return { count: 0, branches: new Map(), places: new Set() };
}
