import { Running, execute } from './process.ts';

/** A network namespace: one host of a lab. */
export class Namespace {
  readonly name: string;
  private readonly programs = new Set<Running>();
  private used = false;

  private constructor(name: string) {
    this.name = name;
  }

  static create(name: string): Namespace {
    execute('ip', ['netns', 'add', name]);
    const namespace = new Namespace(name);
    namespace.ip('link', 'set', 'lo', 'up');
    // No duplicate address detection: addresses are usable at once, and no other host is on these links.
    const ipv6 = ['all.accept_dad=0', 'default.accept_dad=0', 'default.accept_ra=0'];
    namespace.execute('sysctl', '-qw', ...ipv6.map((setting) => `net.ipv6.conf.${setting}`));
    return namespace;
  }

  /** Runs a command inside until it ends; returns its output. */
  execute(command: string, ...args: string[]): string {
    return execute('ip', ['netns', 'exec', this.name, command, ...args]);
  }

  /** Starts a program inside. It is ended when the namespace is removed, or before. */
  spawn(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Running {
    const running = new Running('ip', ['netns', 'exec', this.name, command, ...args], env);
    this.used = true;
    this.programs.add(running);
    void running.exited.then(() => this.programs.delete(running));
    return running;
  }

  ip(...args: string[]): string {
    return execute('ip', ['-n', this.name, ...args]);
  }

  /** Runs several `ip` commands at once, which is much faster than one by one. */
  ipBatch(...commands: string[]): void {
    execute('ip', ['-n', this.name, '-batch', '-'], commands.join('\n'));
  }

  nft(ruleset: string): void {
    execute('ip', ['netns', 'exec', this.name, 'nft', '-f', '-'], ruleset);
  }

  sysctl(key: string, value: string): void {
    this.execute('sysctl', '-qw', `${key}=${value}`);
  }

  /** Ends the processes inside, and removes the namespace with its interfaces. */
  async remove(): Promise<void> {
    await Promise.all([...this.programs].map((program) => program.stop()));
    // A child process that is left over would keep the namespace in existence without its name.
    if (this.used) for (const pid of this.pids()) killQuietly(pid);
    execute('ip', ['netns', 'delete', this.name]);
  }

  private pids(): number[] {
    return execute('ip', ['netns', 'pids', this.name]).split('\n').filter(Boolean).map(Number);
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended meanwhile
  }
}
