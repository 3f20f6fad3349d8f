import { sys } from './libc.ts';

/** The first descriptor that a service manager passes. sd_listen_fds(3) */
const FIRST = 3;
/** More than a unit's FileDescriptorStoreMax= may sensibly be. */
const MOST = 4_096;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** A descriptor that the service manager has kept for this process, with the name that a predecessor gave it. */
export interface PassedDescriptor {
  readonly name: string;
  readonly fd: number;
}

/**
 * The descriptors that the service manager passes to this process, closed at `exec` from now on. The variables that name them are removed, so
 * that a second call returns none and a child process does not take them for its own.
 */
export function takePassedDescriptors(env: NodeJS.ProcessEnv = process.env): PassedDescriptor[] {
  const { LISTEN_PID: pid, LISTEN_FDS: text, LISTEN_FDNAMES: joined } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const count = Number(text);
  if (Number(pid) !== process.pid || !Number.isInteger(count) || count <= 0 || count > MOST) return [];
  const names = (joined ?? '').split(':');
  return Array.from({ length: count }, (_, i) => {
    const fd = FIRST + i;
    sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
    return { name: names[i] ?? '', fd };
  });
}

/** The names that several descriptors have. The service manager removes descriptors by name, so one of these cannot be kept without the others. */
export function repeatedNames(passed: readonly PassedDescriptor[]): ReadonlySet<string> {
  const [seen, repeated] = [new Set<string>(), new Set<string>()];
  for (const { name } of passed) (seen.has(name) ? repeated : seen).add(name);
  return repeated;
}
