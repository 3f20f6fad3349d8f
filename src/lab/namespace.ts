import { Running, execute } from './process.ts';

/** A network namespace: one host of a lab. */
export class Namespace {
  readonly name: string;
  private readonly programs = new Set<Running>();

  private constructor(name: string) {
    this.name = name;
  }

  static create(name: string): Namespace {
    execute('ip', ['netns', 'add', name]);
    const namespace = new Namespace(name);
    namespace.ip('link', 'set', 'lo', 'up');
    // No waiting for duplicates: addresses are usable at once, and nobody else is on these links.
    namespace.sysctl('net.ipv6.conf.all.accept_dad', '0');
    namespace.sysctl('net.ipv6.conf.default.accept_dad', '0');
    namespace.sysctl('net.ipv6.conf.default.accept_ra', '0');
    return namespace;
  }

  /** Runs a command inside, to its end; its output. */
  execute(command: string, ...args: string[]): string {
    return execute('ip', ['netns', 'exec', this.name, command, ...args]);
  }

  /** Starts a program inside; it is ended with the namespace at the latest. */
  spawn(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Running {
    const running = new Running('ip', ['netns', 'exec', this.name, command, ...args], env);
    this.programs.add(running);
    void running.exited.then(() => this.programs.delete(running));
    return running;
  }

  ip(...args: string[]): string {
    return execute('ip', ['-n', this.name, ...args]);
  }

  nft(ruleset: string): void {
    execute('ip', ['netns', 'exec', this.name, 'nft', '-f', '-'], ruleset);
  }

  sysctl(key: string, value: string): void {
    this.execute('sysctl', '-qw', `${key}=${value}`);
  }

  /** Ends what runs inside and removes the namespace, its interfaces with it. */
  async remove(): Promise<void> {
    await Promise.all([...this.programs].map((program) => program.stop()));
    execute('ip', ['netns', 'delete', this.name]);
  }

  /** The same in a hurry, when the process is about to end. */
  removeNow(): void {
    for (const program of this.programs) program.kill('SIGKILL');
    execute('ip', ['netns', 'delete', this.name]);
  }
}
