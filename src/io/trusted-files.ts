/**
 * Files that a daemon leaves for itself or other processes. An account that may change a folder on the path could put links or files there,
 * and make a daemon of root write or read them. So each folder on the path has to belong to root or to the user of this process, and links
 * are followed only if they do, too.
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
/** The kernel's DEFAULT_OVERFLOWUID. */
const USUAL_OVERFLOW_UID = 65_534;
/** The kernel's limit of links in a path: path_resolution(7). */
const MOST_LINKS = 40;
/** No file of this program is larger. */
const MOST_OCTETS = 64 << 10;

/**
 * Why another account could put files into a folder, or replace it; undefined if none could. If the folder does not exist, the ones above
 * it decide. Throws the system's error if the folder cannot be examined.
 */
export function faultOfFolder(path: string): string | undefined {
  return faultOnPath(path, (at, found) => {
    if (!found.isDirectory()) return `${at} is not a folder`;
    return isWritableByOthers(found) ? `other accounts may write into ${at}` : undefined;
  });
}

/** The same for the content of a file. `invoker`: another user whose files are trusted, such as the user that called sudo. */
export function faultOfFile(path: string, invoker?: number): string | undefined {
  const verdict = (at: string, found: Stats): string | undefined =>
    found.isFile() && isWritableByOthers(found) ? `other accounts may write into ${at}` : undefined;
  return faultOnPath(path, verdict, invoker);
}

/** `verdictOnEnd`: checks the end of the path, if it exists. */
function faultOnPath(
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
      if (++links > MOST_LINKS) return `${path} has too many links in its path`;
      const target = readlinkSync(next);
      left.unshift(...partsOf(target));
      if (target.startsWith('/')) at = '/';
      continue;
    }
    if (left.length === 0) return verdictOnEnd(next, found);
    if (!found.isDirectory()) return `${next} is not a folder`;
    // In a folder with the sticky bit only the owner of an entry may replace it.
    if ((found.mode & STICKY) === 0 && isWritableByOthers(found))
      return `other accounts may write into ${next}`;
    at = next;
  }
  return undefined;
}

/** The content of a file of this account or root; undefined if there is none, or if another account could have written it. */
export function readTrusted(path: string): string | undefined {
  let fd: number;
  try {
    if (faultOfFolder(dirname(path)) !== undefined) return undefined;
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined; // no file, a link, or not readable
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || !isTrusted(found.uid) || isWritableByOthers(found) || found.size > MOST_OCTETS)
      return undefined;
    return readFileSync(fd, 'utf8');
  } catch {
    return undefined; // EIO and similar
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes a file that only its owner may read: completely, or the old one stays. Replaces a file at the path; of a link, the link
 * itself and not its target. Throws the system's error, or an Error if the folder is not safe.
 */
export function replaceTrusted(path: string, text: string): void {
  const fault = faultOfFolder(dirname(path));
  if (fault !== undefined) throw new Error(fault);
  // The name is always the same: a crash between open and rename leaves one file, which the next call removes.
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

/** Removes a file, or a link itself. Does nothing if the folder is not safe, or the file does not exist. */
export function removeTrusted(path: string): void {
  if (faultOfFolder(dirname(path)) === undefined) rmSync(path, { force: true });
}

/**
 * Whether files of this account are trusted. In a user namespace, root of the host may have another number: that of the owner of `/`. If
 * root has no number there, `/` shows the overflow uid, as do files of all other accounts without a number: that uid proves nothing.
 * user_namespaces(7)
 */
function isTrusted(uid: number): boolean {
  if (uid === 0 || uid === process.getuid?.()) return true;
  return uid === lstatSync('/').uid && uid !== overflowUid();
}

/** The uid of accounts that have no number in this user namespace. */
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
