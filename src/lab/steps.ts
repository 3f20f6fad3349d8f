import { execute } from './process.ts';

/** Lines for one program, inside a host or outside of all. */
export interface Step {
  /** The name of its namespace. */
  readonly host?: string;
  readonly program: keyof typeof PROGRAMS;
  readonly lines: string[];
}

/** How each program reads its lines. A shell runs them one by one. */
const PROGRAMS = { ip: 'ip -batch -', nft: 'nft -f -', sh: undefined } as const;

/** Runs the steps in their order, with one shell, and one more where the host changes. Throws an error that names the failed command. */
export function runSteps(steps: readonly Step[]): void {
  if (steps.length === 0) return;
  try {
    // On standard input: the kernel permits 128 KB in an argument.
    execute('sh', ['-e'], scriptOf(steps));
  } catch (error) {
    const message = explain((error as Error).message, steps);
    throw message === undefined ? error : new Error(message);
  }
}

function scriptOf(steps: readonly Step[]): string {
  return steps
    .flatMap((step, n) => {
      const { host } = step;
      const isIn = (other: Step | undefined): boolean => host === undefined || other?.host === host;
      return [
        ...(isIn(steps[n - 1]) ? [] : [`ip netns exec ${host} sh -e <<'END OF ${host}'`]),
        ...commandsOf(step, n),
        ...(isIn(steps[n + 1]) ? [] : [`END OF ${host}`]),
      ];
    })
    .join('\n');
}

/** Each says its number if it fails. */
function commandsOf({ program, lines }: Step, n: number): string[] {
  const orSay = (text: string): string => `|| { echo '${text}' >&2; exit 1; }`;
  const command = PROGRAMS[program];
  if (command === undefined) return lines.map((line, i) => `${line} ${orSay(`line ${i + 1}\nstep ${n}`)}`);
  return [`${command} <<'END OF INPUT' ${orSay(`step ${n}`)}`, ...lines, 'END OF INPUT'];
}

/** Undefined if no step has said its number. `ip` says the line. */
function explain(output: string, steps: readonly Step[]): string | undefined {
  const match =
    /^sh -e failed \(\d+\): (?<said>[^]*?)(?:(?:\nCommand failed -:|\nline )(?<line>\d+))?\nstep (?<n>\d+)$/.exec(
      output,
    );
  if (match === null) return undefined;
  const { said, line, n } = match.groups!;
  const { host = 'lab', program, lines } = steps[Number(n)]!;
  const command = line === undefined ? '' : ` ${lines[Number(line) - 1]}`;
  return `${host}: ${program}${command}: ${said}`;
}
