/** A bare Debian 12 in a folder. Commands run in it as root, with file systems of this machine's kernel. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execute } from '../../src/lab/index.ts';

/** The mounts go with the process. systemctl does the part of its work that needs no manager. */
const INSIDE = `for name in proc sys dev; do mount --rbind /$name "$0/$name" || exit; done
mount -t tmpfs run "$0/run" && mkdir -m 777 "$0/run/teredo" && export SYSTEMD_OFFLINE=1 && exec chroot "$0" "$@"`;
/** Files that installing and removing any package changes, and temporary ones. */
const OF_PACKAGING =
  /^\/(tmp\/|var\/(cache|log|lib\/(dpkg|apt|systemd))\/|etc\/((passwd|group|shadow|gshadow|subuid|subgid)-|\.pwd\.lock))/;
/** Of this machine: package sources may be behind a proxy with a certificate of its own. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

export class BareDebian {
  readonly folder: string;

  /** `packages`: in addition to those of every Debian, so that apt needs no network later. */
  constructor(folder: string, packages: readonly string[]) {
    this.folder = folder;
    const included = `--include=${packages.join(',')}`;
    execute('mmdebstrap', ['--quiet', '--mode=root', '--variant=apt', included, 'bookworm', folder]);
    mkdirSync(this.at('etc/ssl/certs'), { recursive: true });
    if (existsSync(CERTIFICATES)) copyFileSync(CERTIFICATES, this.at(CERTIFICATES));
    copyFileSync('/etc/resolv.conf', this.at('etc/resolv.conf'));
    // A reader is an ordinary user, and says yes.
    writeFileSync(this.at('usr/local/bin/sudo'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
    writeFileSync(this.at('etc/apt/apt.conf.d/yes'), 'APT::Get::Assume-Yes "true";\n');
  }

  at(path: string): string {
    return join(this.folder, path);
  }

  /** Arguments of `unshare`. */
  args(...command: string[]): string[] {
    return ['-m', 'sh', '-c', INSIDE, this.folder, ...command];
  }

  run(...command: string[]): string {
    return execute('unshare', this.args(...command));
  }

  /** All files, and the folders of this program. */
  files(): string[] {
    return this.run('find', '/', '-xdev', '(', '-not', '-type', 'd', '-o', '-path', '*teredo*', ')')
      .split('\n')
      .filter((file) => !OF_PACKAGING.test(file))
      .sort();
  }

  hasAccount(name: string): boolean {
    return this.run('getent', 'passwd').includes(`\n${name}:`);
  }
}
