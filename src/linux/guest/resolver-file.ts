/** /etc/resolv.conf of a guest: that of the host, with the resolver of the guest. It is a mount on the file, for this mount namespace alone. */
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { sys } from '../libc.ts';

const FILE = '/etc/resolv.conf';
const RESOLVER = 'nameserver 127.0.0.1';
/** The new file is made on a file system that is mounted on one of these for a moment: the first that exists. Programs need nothing of it. */
const PLACES = ['/proc/driver', '/proc'];
const MOST_OCTETS = 32_768;
const MS_BIND = 0x1000;
const MNT_DETACH = 2;

/**
 * Names the resolver. A mount goes when the host replaces the file under it: then, and after any other change of the file, this is called again. False
 * when it could not be done.
 */
export function nameResolver(): boolean {
  let target: string;
  let text: string;
  try {
    target = realpathSync(FILE);
    sys.umount2(target, MNT_DETACH); // refused where this has mounted nothing yet
    text = resolverText(readFileSync(target, 'utf8'));
  } catch {
    return false; // there is no such file
  }
  const place = PLACES.find((folder) => sys.mount('tmpfs', folder, 'tmpfs', 0, 'size=64k,mode=755') === 0);
  if (place === undefined) return false;
  try {
    mkdirSync(`${place}/teredo`);
    const source = `${place}/teredo/resolv.conf`;
    writeFileSync(source, text);
    return sys.mount(source, target, null, MS_BIND, null) === 0;
  } catch {
    return false; // ENOSPC, ENOMEM
  } finally {
    sys.umount2(place, 0);
  }
}

/** The lines of the host, such as `search` and `options`, with another name server. */
export function resolverText(host: string): string {
  const kept = host
    .slice(0, MOST_OCTETS)
    .split('\n')
    .filter((line) => !/^\s*nameserver\b/.test(line));
  return `${kept.join('\n').trimEnd()}\n${RESOLVER}\n`.trimStart();
}
