import { readFileSync, statSync } from 'node:fs';

/** A change of the file is noticed after this. */
const CHECK_MS = 1_000;

/** The value that a file of the system has, read again when the file has changed. */
export class KeptFile<T> {
  private readonly file: string;
  private readonly read: (text: string) => T;
  private value: T;
  private version = '';
  private checkedAt = -Infinity;

  /** `read`: makes the value of the text. A file that does not exist has no text. */
  constructor(file: string, read: (text: string) => T) {
    this.file = file;
    this.read = read;
    this.value = read('');
  }

  get(): T {
    const now = performance.now();
    if (now - this.checkedAt < CHECK_MS) return this.value;
    this.checkedAt = now;
    try {
      const { mtimeMs, size, ino } = statSync(this.file);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.version) return this.value;
      this.value = this.read(readFileSync(this.file, 'utf8'));
      this.version = version;
    } catch (error) {
      // Without a descriptor the value stays.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        [this.value, this.version] = [this.read(''), ''];
    }
    return this.value;
  }
}
