import { unwatchFile, watchFile } from 'node:fs';

const FILE = '/etc/resolv.conf';
/** The file may be a link to another folder, and both may be replaced. So its state is looked at: watches of the kernel stay with the old ones. */
const INTERVAL_MS = 500;

/** Calls `onChange` after each change of the host's resolvers. Returns the function that ends it. */
export function watchResolvers(onChange: () => void): () => void {
  const listener = (): void => onChange();
  watchFile(FILE, { interval: INTERVAL_MS, persistent: false }, listener);
  return () => unwatchFile(FILE, listener);
}
