import { readFileSync, statSync } from 'node:fs';

const [SUBUID, PASSWD] = ['/etc/subuid', '/etc/passwd'];
/** Larger files are left unread. */
const MOST_OCTETS = 1 << 20;
/** No system gives out ranges below: subuid(5). */
const FIRST = 65_536;
const FRESH_MS = 60_000;

interface Range {
  readonly owner: number;
  readonly first: number;
  readonly count: number;
}

/**
 * Users whose processes may run under further user ids, by user namespaces: a range of 65,536 each as Debian and others set them up. For
 * shares among users all these ids are one user. A file or line that cannot be read, or understood, gives no ranges.
 */
export class SubordinateUids {
  private readonly files: readonly [subuid: string, passwd: string];
  private ranges: readonly Range[] = [];
  private readAt = -Infinity;

  constructor(files: readonly [subuid: string, passwd: string] = [SUBUID, PASSWD]) {
    this.files = files;
  }

  /** The user that an id belongs to: itself where it is in no range. `now`: milliseconds. */
  ownerOf(uid: number, now: number): number {
    if (uid < FIRST) return uid;
    if (now - this.readAt >= FRESH_MS) {
      this.readAt = now;
      this.ranges = readRanges(this.files);
    }
    return this.ranges.find(({ first, count }) => uid >= first && uid < first + count)?.owner ?? uid;
  }
}

function readRanges([subuid, passwd]: readonly [string, string]): Range[] {
  const uids = new Map(fieldsOf(passwd).map(([name, , uid]) => [name, Number(uid)]));
  return fieldsOf(subuid).flatMap(([name = '', first, count]) => {
    const range = {
      owner: uids.get(name) ?? Number(name || NaN),
      first: Number(first),
      count: Number(count),
    };
    // A range of root's, or of the daemon's own user, would give its ids their rights.
    const isUsual = range.owner > 0 && range.owner !== process.getuid?.() && range.first >= FIRST;
    return isUsual && range.count > 0 ? [range] : [];
  });
}

function fieldsOf(file: string): string[][] {
  try {
    if (statSync(file).size > MOST_OCTETS) return [];
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}
