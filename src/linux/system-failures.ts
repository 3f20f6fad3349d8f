import { SystemCallError, errorName } from './errors.ts';
import { countFailure } from './failures.ts';
import type { Failures } from './failures.ts';

/** Shortages, which end when other processes, or this one, need less: descriptors, buffers, memory. */
const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ENOSPC', 'EAGAIN']);

type Listener = (error: Error) => void;

const failures: Failures = {};
const listeners = new Set<Listener>();

/** Number of the system's refusals to callbacks of this process, by the error's name. Never decreases. */
export function systemFailures(): Readonly<Failures> {
  return failures;
}

/** Calls back at each refusal. Returns a function that ends it. */
export function onSystemFailure(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** The name of the system's error that is this one or its cause; undefined for an error of the program. */
export function systemErrorIn(error: unknown): string | undefined {
  if (error instanceof SystemCallError) return error.code;
  if (!(error instanceof Error)) return undefined;
  const { code, errno, info, cause } = error as NodeJS.ErrnoException & { info?: { errno?: number } };
  // libuv gives the number with either sign, and a name only with one of them.
  if (code === 'ERR_SYSTEM_ERROR') return errorName(Math.abs(info?.errno ?? 0));
  if (typeof errno === 'number' && code !== undefined) return code;
  return cause === undefined ? undefined : systemErrorIn(cause);
}

/** Whether the same operation may succeed later, once other processes use less. */
export function isShortage(error: unknown): boolean {
  const code = systemErrorIn(error);
  return code !== undefined && SHORTAGES.has(code);
}

/** Counts an error of the system that is reported elsewhere; ignores any other. */
export function countSystemFailure(error: unknown): void {
  const code = systemErrorIn(error);
  if (code !== undefined) countFailure(failures, code);
}

/** Counts an error of the system, and informs the listeners. Rethrows any other error. */
export function noteSystemFailure(error: unknown): void {
  const code = systemErrorIn(error);
  if (code === undefined) throw error;
  countFailure(failures, code);
  for (const listener of listeners) listener(error as Error);
}

/** Runs a callback. False: the system has refused an operation, which was counted; the caller has to repeat it. */
export function survive(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    noteSystemFailure(error);
    return false;
  }
}
