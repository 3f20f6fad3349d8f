import type { Command, Option } from 'commander';

/** A command line up to the word at the cursor. */
export class CommandLine {
  command: Command;
  /** The option whose value may stand at the cursor. */
  pending: Option | undefined;
  /** How many arguments of the command there are. */
  argumentCount = 0;
  readonly given = new Set<Option>();
  private hasOnlyArguments = false;

  constructor(program: Command, words: readonly string[]) {
    this.command = program;
    for (const word of words) this.read(word);
  }

  /** Whether an option may stand at the cursor. */
  get mayHaveOption(): boolean {
    return !this.hasOnlyArguments && (this.pending === undefined || isOpen(this.pending));
  }

  private read(word: string): void {
    if (this.pending !== undefined && !(isOpen(this.pending) && word.startsWith('-'))) {
      if (!this.pending.variadic) this.pending = undefined;
    } else if (word === '--') {
      this.hasOnlyArguments = true;
      this.pending = undefined;
    } else if (word.startsWith('-') && !this.hasOnlyArguments) {
      this.readOption(word);
    } else {
      this.readArgument(word);
    }
  }

  private readOption(word: string): void {
    const [flag] = word.split('=');
    const option = this.command.options.find(({ long, short }) => flag === long || flag === short);
    if (option !== undefined) this.given.add(option);
    const takesValue = option !== undefined && (option.required || option.optional);
    this.pending = takesValue && !word.includes('=') ? option : undefined;
  }

  private readArgument(word: string): void {
    const below = this.command.commands.find((command) => command.name() === word);
    if (below === undefined || this.argumentCount > 0) this.argumentCount++;
    else this.command = below;
  }
}

/** Whether another option may follow instead of a value. */
function isOpen({ optional, variadic }: Option): boolean {
  return optional || variadic;
}
