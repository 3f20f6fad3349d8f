import type { Refusal } from './control-protocol.ts';

/** Codes that a client gives itself; those of a daemon's refusals are beside them. */
type OwnCode = 'no-daemon' | 'not-permitted' | 'timed-out' | 'no-answer' | 'not-understood' | 'failed';
// oxlint-disable-next-line typescript/ban-types -- keeps the names above in completions of editors
export type ControlErrorCode = OwnCode | (string & {});

/**
 * A daemon gave no answer, or refused. `no-daemon`: no process listens there. `not-permitted`: this user may not ask, or not for that. `timed-out`:
 * no answer in time. `no-answer`: the daemon ended before its answer, or is asked too often. `not-understood`: an answer of another program or
 * version.
 */
export class ControlError extends Error {
  readonly code: ControlErrorCode;
  /** Of a refusal: a list of errors, as those of a configuration file. */
  readonly details: readonly string[];

  constructor(
    code: ControlErrorCode,
    message: string,
    { details = [], cause }: { readonly details?: readonly string[]; readonly cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.name = 'ControlError';
    this.code = code;
    this.details = details;
  }
}

/** For an error of a question to the daemon at `path`. */
export function controlErrorOf(cause: unknown, path: string): ControlError {
  if (cause instanceof ControlError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'EACCES')
    return new ControlError('not-permitted', `not permitted to open ${path}: ask as its owner or as root`, {
      cause,
    });
  if (code === 'ECONNREFUSED' || code === 'ENOENT')
    return new ControlError('no-daemon', `no teredo daemon is running at ${path}`, { cause });
  return new ControlError('failed', `cannot ask the daemon at ${path}: ${message}`, { cause });
}

/** For a refusal. */
export function refusalOf({ code, message, details }: Refusal): ControlError {
  return new ControlError(code, message, {
    details: Array.isArray(details) ? details.map(String) : [],
  });
}

/** For an answer of another program or version. */
export function misunderstood(path: string): ControlError {
  return new ControlError(
    'not-understood',
    `the daemon ${path} gave an answer that this version does not understand`,
  );
}
