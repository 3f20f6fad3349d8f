import { SystemCallError, errorName } from './errors.ts';
import { countFailure } from './failures.ts';
import type { Failures } from './failures.ts';

/** What is there again once others, or this process, need less of it: descriptors, buffers, memory. */
const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ENOSPC', 'EAGAIN']);

type Listener = (error: Error) => void;

const failures: Failures = {};
const listeners = new Set<Listener>();

/** What the system has refused to callbacks of this process, by the error's name: only ever counts up. */
export function systemFailures(): Readonly<Failures> {
  return failures;
}

/** Calls back at each of them. Returns what ends it. */
export function onSystemFailure(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** The name of the system's error that this one is, or was caused by; undefined for what is a fault of the program. */
export function systemErrorIn(error: unknown): string | undefined {
  if (error instanceof SystemCallError) return error.code;
  if (!(error instanceof Error)) return undefined;
  const { code, errno, info, cause } = error as NodeJS.ErrnoException & { info?: { errno?: number } };
  // libuv gives the number with either sign, and a name only with one of them.
  if (code === 'ERR_SYSTEM_ERROR') return errorName(Math.abs(info?.errno ?? 0));
  if (typeof errno === 'number' && code !== undefined) return code;
  return cause === undefined ? undefined : systemErrorIn(cause);
}

/** Whether the same may succeed later, if nothing else changes than how much others use. */
export function isShortage(error: unknown): boolean {
  const code = systemErrorIn(error);
  return code !== undefined && SHORTAGES.has(code);
}

/** Counts an error of the system that is told otherwise; another is none. */
export function countSystemFailure(error: unknown): void {
  const code = systemErrorIn(error);
  if (code !== undefined) countFailure(failures, code);
}

/** Counts an error of the system, and tells those that listen. Throws what is none. */
export function noteSystemFailure(error: unknown): void {
  const code = systemErrorIn(error);
  if (code === undefined) throw error;
  countFailure(failures, code);
  for (const listener of listeners) listener(error as Error);
}

/** Does what a callback has to do. False: the system has refused something of it, which was noted; what is to be done again is for the caller to do. */
export function survive(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    noteSystemFailure(error);
    return false;
  }
}
