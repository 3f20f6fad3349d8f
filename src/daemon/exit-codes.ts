/** The meanings of the program's exit status; the same for every command. */
export const EXIT = {
  /** Yes, or done. */
  OK: 0,
  /** No, or failed. */
  FAILED: 1,
  /** The command line or its values are wrong. */
  USAGE: 2,
  /** There is no such daemon running. */
  NO_DAEMON: 3,
  /** Not permitted; the message names the capability. */
  NOT_PERMITTED: 4,
  TIMED_OUT: 5,
  /** Done in part: the rest needs a restart of the daemon. */
  RESTART_NEEDED: 6,
  INTERRUPTED: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with one line for people, perhaps a list of details below it, and an exit status. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode;
  readonly details: readonly string[];

  constructor(exitCode: ExitCode, message: string, details: readonly string[] = []) {
    super(message);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
    this.details = details;
  }

  /** All lines. */
  get lines(): string[] {
    return [this.message, ...this.details];
  }
}
