import { chownSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { withRightsOf } from './guest.ts';
import type { User } from './guest.ts';

/** An account that each Debian has: podman looks it up. */
export const NOBODY = 65_534;
const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Runs a shell script in a container of rootless podman, with the programs of this machine and no other files. It needs no registry, no subordinate
 * users and no control groups. All its processes end with it.
 */
export function runContainer(
  host: Namespace,
  user: User,
  options: readonly string[],
  script: string,
): Running {
  const [files, home, run] = ['files', 'home', 'run'].map((name) => join(user.folder, name));
  for (const folder of [files!, home!, run!]) {
    mkdirSync(folder);
    chownSync(folder, user.id, user.id);
  }
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${name}`, join(files!, name));
  const shared = new Set(['/usr', dirname(dirname(process.execPath)), REPOSITORY.slice(0, -1)]);
  // Its runtime works with one kind of control groups only; here it is to use none.
  const prepare = 'mount -t tmpfs none /sys/fs/cgroup && mount --make-shared / && exec "$@"';
  return host.spawn('unshare', [
    ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', prepare, 'sh'],
    ...withRightsOf(user, 'env', `HOME=${home}`, `XDG_RUNTIME_DIR=${run}`, 'podman'),
    ...[
      '--runtime=crun',
      '--cgroup-manager=cgroupfs',
      '--storage-driver=vfs',
      'run',
      '--rm',
      '--cgroups=disabled',
    ],
    ...[...shared].map((folder) => `--volume=${folder}:${folder}:ro`),
    ...[...options, '--rootfs', files!, '/bin/sh', '-c', script],
  ]);
}
