import { statSync } from 'node:fs';

/** Differs after each change of a file, and where there is none that can be looked at. */
export function fileVersion(path: string): string {
  try {
    const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs].join();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  }
}
