/**
 * Files that a daemon leaves for itself or others to find. An account that may change a folder on the way to them could put links or files
 * of its own there, and have a daemon of root write or believe them. So each folder on the way has to belong to root or to the user that
 * this process runs as, and links are followed only where they belong to one of these.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ALL = 0o002;
const STICKY = 0o1000;
/** DEFAULT_OVERFLOWUID of the kernel. */
const USUAL_OVERFLOW_UID = 65_534;
/** As the kernel: path_resolution(7). */
const MOST_LINKS = 40;
/** Larger is no file of ours. */
const MOST_OCTETS = 64 << 10;

/**
 * Why another account could put files into a folder, or replace it; undefined: none could. Of a folder that is not there the ones
 * above it are looked at. Throws the system's error where it cannot be looked at.
 */
export function faultOfFolder(path: string): string | undefined {
  return faultOnTheWay(path, (at, found) => {
    if (!found.isDirectory()) return `${at} is no folder`;
    return isWritableByOthers(found) ? `other accounts may write into ${at}` : undefined;
  });
}

/** The same for what a file holds. `invoker`: another user whose files count as our own, as that of sudo. */
export function faultOfFile(path: string, invoker?: number): string | undefined {
  const verdict = (at: string, found: Stats): string | undefined =>
    found.isFile() && isWritableByOthers(found) ? `other accounts may write into ${at}` : undefined;
  return faultOnTheWay(path, verdict, invoker);
}

/** `verdictOnEnd`: on what the path leads to, if there is such a thing. */
function faultOnTheWay(
  path: string,
  verdictOnEnd: (at: string, found: Stats) => string | undefined,
  invoker?: number,
): string | undefined {
  const left = partsOf(resolve(path));
  let at = '/';
  for (let links = 0; left.length > 0;) {
    const part = left.shift()!;
    const next = part === '..' ? dirname(at) : join(at, part);
    const found = lstatSync(next, { throwIfNoEntry: false });
    if (found === undefined) return undefined;
    if (!isTrusted(found.uid) && found.uid !== invoker)
      return `${next} belongs to another account (uid ${found.uid})`;
    if (found.isSymbolicLink()) {
      if (++links > MOST_LINKS) return `${path} has too many links on the way`;
      const target = readlinkSync(next);
      left.unshift(...partsOf(target));
      if (target.startsWith('/')) at = '/';
      continue;
    }
    if (left.length === 0) return verdictOnEnd(next, found);
    if (!found.isDirectory()) return `${next} is no folder`;
    // With the sticky bit what is in there is its owner's to replace.
    if ((found.mode & STICKY) === 0 && isWritableByOthers(found))
      return `other accounts may write into ${next}`;
    at = next;
  }
  return undefined;
}

/** What a file of ours or root's holds; undefined where there is none, or it could be from another account. */
export function readTrusted(path: string): string | undefined {
  let fd: number;
  try {
    if (faultOfFolder(dirname(path)) !== undefined) return undefined;
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined; // none, a link, or not to be read
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || !isTrusted(found.uid) || isWritableByOthers(found) || found.size > MOST_OCTETS)
      return undefined;
    return readFileSync(fd, 'utf8');
  } catch {
    return undefined; // EIO and the like
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes a file that only its owner may read: all of it, or the old one stays. What stood there is replaced, a link itself and not its target.
 * Throws the system's error, or an Error where the folder is not safe.
 */
export function replaceTrusted(path: string, text: string): void {
  const fault = faultOfFolder(dirname(path));
  if (fault !== undefined) throw new Error(fault);
  // Always the same name: a crash between open and rename leaves one file, which the next call removes.
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    try {
      writeFileSync(fd, text);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Removes a file, or a link itself; nothing where the folder is not safe, or there is none. */
export function removeTrusted(path: string): void {
  if (faultOfFolder(dirname(path)) === undefined) rmSync(path, { force: true });
}

/**
 * Whether files of this account are as good as our own. In a user namespace the host's root can have another number: that of the owner
 * of `/`. Where it has none, `/` shows the overflow uid, as files of all other accounts without a number do: that one proves nothing.
 * user_namespaces(7)
 */
function isTrusted(uid: number): boolean {
  if (uid === 0 || uid === process.getuid?.()) return true;
  return uid === lstatSync('/').uid && uid !== overflowUid();
}

/** Of accounts that have no number in this user namespace. */
function overflowUid(): number {
  try {
    return Number(readFileSync('/proc/sys/kernel/overflowuid', 'utf8'));
  } catch {
    return USUAL_OVERFLOW_UID; // no /proc
  }
}

/** A group with the number of its only member is that user's private one. */
function isWritableByOthers({ mode, uid, gid }: Stats): boolean {
  return (mode & WRITABLE_BY_ALL) !== 0 || ((mode & WRITABLE_BY_GROUP) !== 0 && gid !== uid);
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
