import { existsSync, readdirSync, statSync } from 'node:fs';
import { Builder } from './builder.ts';
import { Running, execute } from './process.ts';

/** No duplicate address detection: addresses are usable at once, and no other host is on these links. */
const SETTINGS = ['all/accept_dad', 'default/accept_dad', 'default/accept_ra'].map(
  (setting) => `echo 0 >/proc/sys/net/ipv6/conf/${setting}`,
);

/** A network namespace: one host of a lab. */
export class Namespace {
  readonly name: string;
  private readonly builder: Builder;
  private readonly programs = new Set<Running>();
  private used = false;

  private constructor(name: string, builder: Builder) {
    this.name = name;
    this.builder = builder;
  }

  static create(name: string, builder = new Builder()): Namespace {
    const namespace = new Namespace(name, builder);
    builder.inOne(() => {
      builder.addHost(name, SETTINGS);
      namespace.ipBatch('link set lo up');
    });
    return namespace;
  }

  /** Runs a command inside until it ends; returns its output. */
  execute(command: string, ...args: string[]): string {
    this.builder.finish();
    return execute('ip', ['netns', 'exec', this.name, command, ...args]);
  }

  /** Starts a program inside. It is ended when the namespace is removed, or before. */
  spawn(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Running {
    this.builder.finish();
    const running = new Running('ip', ['netns', 'exec', this.name, command, ...args], env);
    this.used = true;
    this.programs.add(running);
    void running.exited.then(() => this.programs.delete(running));
    return running;
  }

  ip(...args: string[]): string {
    this.builder.finish();
    return execute('ip', ['-n', this.name, ...args]);
  }

  /** Runs several `ip` commands at once, which is much faster than one by one. */
  ipBatch(...commands: string[]): void {
    this.builder.run(this.name, 'ip', commands);
  }

  nft(ruleset: string): void {
    this.builder.run(this.name, 'nft', [ruleset]);
  }

  sysctl(key: string, value: string): void {
    this.builder.run(this.name, 'sh', [`echo '${value}' >/proc/sys/${key.replaceAll('.', '/')}`]);
  }

  /** The same for a setting that exists only while a module of the kernel is loaded. */
  sysctlIfPresent(key: string, value: string): void {
    const file = `/proc/sys/${key.replaceAll('.', '/')}`;
    this.builder.run(this.name, 'sh', [`[ ! -e ${file} ] || echo '${value}' >${file}`]);
  }

  /** Ends the processes inside, and removes the namespace with its interfaces. */
  async remove(): Promise<void> {
    await removeAll([this]);
  }

  /** Ends the programs started here. Whether there were any. */
  async endPrograms(): Promise<boolean> {
    await Promise.all([...this.programs].map((program) => program.stop()));
    return this.used;
  }
}

/** Ends the processes inside all of them, and removes them with their interfaces. Some may never have been made: a command before has failed. */
export async function removeAll(namespaces: readonly Namespace[]): Promise<void> {
  const used = await Promise.all(namespaces.map((one) => one.endPrograms()));
  const made = namespaces
    .map((one, i) => ({ name: one.name, wasUsed: used[i]! }))
    .filter(({ name }) => existsSync(`/run/netns/${name}`));
  if (made.length === 0) return;
  // A child process that is left over would keep the namespace in existence without its name.
  for (const pid of pidsIn(made.filter(({ wasUsed }) => wasUsed))) killQuietly(pid);
  const names = new Set(made.map(({ name }) => name));
  execute('ip', ['-force', '-batch', '-'], [...names].map((name) => `netns delete ${name}`).join('\n'));
}

/** As `ip netns pids`, which would look at all processes once for each namespace. */
function pidsIn(namespaces: readonly Pick<Namespace, 'name'>[]): number[] {
  if (namespaces.length === 0) return [];
  const inodes = new Set(namespaces.map(({ name }) => statSync(`/run/netns/${name}`).ino));
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => inodes.has(networkOf(pid) ?? -1));
}

/** The inode of a process's network namespace; undefined once it has ended. */
function networkOf(pid: number): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino;
  } catch {
    return undefined;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended meanwhile
  }
}
