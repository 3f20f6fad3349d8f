import { runSteps } from './steps.ts';
import type { Step } from './steps.ts';

/**
 * Makes the hosts of a lab. Within {@link inOne} it collects the commands, and one shell runs them: most of the time would go to the start of
 * programs. First come the hosts with their settings, then the wires, which take some settings over, then all other commands.
 */
export class Builder {
  private isCollecting = false;
  /** The settings of each. */
  private readonly hosts = new Map<string, Step>();
  private readonly wires: string[] = [];
  private readonly steps = new Map<string, Step[]>();

  /** All commands of `build` together. An error of one of them is thrown at the end. */
  inOne<T>(build: () => T): T {
    if (this.isCollecting) return build();
    this.isCollecting = true;
    try {
      const built = build();
      this.finish();
      return built;
    } finally {
      this.isCollecting = false;
      this.clear();
    }
  }

  /** Makes a host. `settings`: lines for a shell in it. */
  addHost(name: string, settings: readonly string[]): void {
    this.inOne(() => this.hosts.set(name, { host: name, program: 'sh', lines: [...settings] }));
  }

  /** Makes a wire by this command of `ip`. */
  addWire(command: string): void {
    this.inOne(() => this.wires.push(command));
  }

  /** Runs the program with these lines inside a host. */
  run(host: string, program: Step['program'], lines: readonly string[]): void {
    this.inOne(() => {
      const steps = this.steps.get(host) ?? [];
      this.steps.set(host, steps);
      const last = steps.at(-1);
      if (last?.program === program) last.lines.push(...lines);
      else steps.push({ host, program, lines: [...lines] });
    });
  }

  /** Runs all that has been collected, because the next command depends on it. */
  finish(): void {
    const making = [...this.hosts.keys()].map((name) => `netns add ${name}`);
    const steps: Step[] = [
      { program: 'ip', lines: making },
      ...this.hosts.values(),
      { program: 'ip', lines: [...this.wires] },
      ...[...this.steps.values()].flat(),
    ];
    this.clear();
    runSteps(steps.filter(({ lines }) => lines.length > 0));
  }

  private clear(): void {
    this.hosts.clear();
    this.wires.length = 0;
    this.steps.clear();
  }
}
