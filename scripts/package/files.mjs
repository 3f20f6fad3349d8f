/** Files of a package's tree, all with the modes that a package wants. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../run.mjs';

export class Tree {
  constructor(folder) {
    this.folder = folder;
  }

  at(path) {
    return join(this.folder, path);
  }

  directory(path) {
    mkdirSync(this.at(path), { recursive: true, mode: 0o755 });
  }

  /** Copies a file of this repository, or of an absolute path. */
  copy(from, path, mode = 0o644) {
    this.directory(dirname(path));
    copyFileSync(from.startsWith('/') ? from : join(root, from), this.at(path));
    chmodSync(this.at(path), mode);
  }

  write(path, text, mode = 0o644) {
    this.directory(dirname(path));
    writeFileSync(this.at(path), text);
    chmodSync(this.at(path), mode);
  }

  /** As documents and manual pages are in Debian. The same text gives the same file. */
  writeCompressed(path, text) {
    this.write(`${path}.gz`, gzipSync(text, { level: 9 }));
  }

  copyCompressed(from, path) {
    this.writeCompressed(path, readFileSync(join(root, from)));
  }

  link(path, target) {
    this.directory(dirname(path));
    symlinkSync(target, this.at(path));
  }
}
