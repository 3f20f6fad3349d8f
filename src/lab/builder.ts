import { execute } from './process.ts';

/** Lines for one program inside a host. */
interface Step {
  readonly program: keyof typeof PROGRAMS;
  readonly lines: string[];
}

/** How the program reads its lines. A shell reads them as they are. */
const PROGRAMS = { ip: 'ip -batch -', nft: 'nft -f -', sh: undefined } as const;

/**
 * Makes the hosts of a lab. Within {@link inOne} it collects the commands, and one shell runs them: most of the time would go to the start of
 * programs. First come the hosts with their settings, then the wires, which take some settings over, then all other commands.
 */
export class Builder {
  private isCollecting = false;
  private readonly hosts = new Map<string, Step[]>();
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
    this.inOne(() => this.hosts.set(name, [{ program: 'sh', lines: [...settings] }]));
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
      else steps.push({ program, lines: [...lines] });
    });
  }

  /** Runs all that has been collected, because the next command depends on it. */
  finish(): void {
    const script = [
      ...lineOf({ program: 'ip', lines: [...this.hosts.keys()].map((name) => `netns add ${name}`) }),
      ...[...this.hosts].map(([name, steps]) => inside(name, steps)),
      ...lineOf({ program: 'ip', lines: this.wires }),
      ...[...this.steps].map(([name, steps]) => inside(name, steps)),
    ];
    this.clear();
    if (script.length > 0) execute('sh', ['-ec', script.join('\n')]);
  }

  private clear(): void {
    this.hosts.clear();
    this.wires.length = 0;
    this.steps.clear();
  }
}

function inside(host: string, steps: readonly Step[]): string {
  return fed(`ip netns exec ${host} sh -e`, steps.flatMap(lineOf), `END OF ${host}`);
}

function lineOf({ program, lines }: Step): string[] {
  if (lines.length === 0) return [];
  const command = PROGRAMS[program];
  return [command === undefined ? lines.join('\n') : fed(command, lines, 'END OF INPUT')];
}

function fed(command: string, input: readonly string[], end: string): string {
  return `${command} <<'${end}'\n${input.join('\n')}\n${end}`;
}
