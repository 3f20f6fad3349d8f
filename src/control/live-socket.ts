import { lstatSync } from 'node:fs';
import { connect } from 'node:net';

/** A daemon that listens takes a connection at once, or is too busy for it. */
const ALIVE_MS = 2_000;

/** Whether a process listens there; one that is too busy to take a connection does. Rejects where this user may not find out. */
export function isAlive(path: string): Promise<boolean> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return Promise.resolve(false);
  if (!file.isSocket()) return Promise.reject(new Error(`${path} is in the way: it is no socket`));
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.setTimeout(ALIVE_MS, () => socket.destroy(new Error('no answer')));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' || error.code === 'EPERM') reject(error);
      else resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
