import { chownSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { withRightsOf } from './guest.ts';
import type { User } from './guest.ts';

/** An account that each Debian has: podman looks it up. */
export const NOBODY = 65_534;
const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
/** Its runtime works with one kind of control groups only; here it is to use none. */
const PREPARE = 'mount -t tmpfs none /sys/fs/cgroup && mount --make-shared / && exec "$@"';

/** Runs `words`, in which `podman` is rootless podman with images in the folder of this user. All processes end with the command. */
export function withPodman(host: Namespace, user: User, ...words: readonly string[]): Running {
  const [home, run] = ['home', 'run'].map((name) => join(user.folder, name));
  rmSync(run!, { recursive: true, force: true }); // its processes have ended, as at a start of the system
  for (const folder of [home!, run!]) mkdirSync(folder, { recursive: true });
  for (const folder of [home!, run!]) chownSync(folder, user.id, user.id);
  const options = '--runtime=crun --cgroup-manager=cgroupfs --storage-driver=vfs';
  const define = `podman() { command podman ${options} "$@"; }; `;
  return host.spawn('unshare', [
    ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', PREPARE, 'sh'],
    ...withRightsOf(user, 'env', `HOME=${home}`, `XDG_RUNTIME_DIR=${run}`, 'sh', '-c'),
    ...[`${define}${words[0]}`, 'sh', ...words.slice(1)],
  ]);
}

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
  const files = join(user.folder, 'files');
  mkdirSync(files);
  chownSync(files, user.id, user.id);
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${name}`, join(files, name));
  const shared = new Set(['/usr', dirname(dirname(process.execPath)), REPOSITORY.slice(0, -1)]);
  const volumes = [...shared].map((folder) => `--volume=${folder}:${folder}:ro`);
  const words = [
    '--rm',
    '--cgroups=disabled',
    ...volumes,
    ...options,
    '--rootfs',
    files,
    '/bin/sh',
    '-c',
    script,
  ];
  return withPodman(host, user, 'podman run "$@"', ...words);
}
