import { LogLines } from '../io/log-lines.ts';
import type { DataPath } from '../runtime/data-path-use.ts';
import { dataPathInWords } from './data-path-status.ts';

const STDERR = 2;
const log = new LogLines(STDERR);

/** A line for the log: stderr, which systemd puts into the journal. */
export function say(message: string): void {
  log.write(message);
}

/** Says at the start why the kernel does not do the work, or which rules of the host could not be read. */
export function sayWhyNotKernel(dataPath: DataPath): void {
  if (dataPathInWords(dataPath) !== dataPath.kind) say(`data path: ${dataPathInWords(dataPath)}`);
}
