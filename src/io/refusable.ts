import { SystemCallError } from '../linux/errors.ts';
import { systemErrorIn } from '../linux/system-failures.ts';
import { EnvironmentError } from './errors.ts';

/** Does something that the kernel may refuse, and adds a helpful text to its refusal. */
export function refusable<T>(
  action: () => T,
  explain: (error: SystemCallError) => EnvironmentError | undefined = () => undefined,
): T {
  try {
    return action();
  } catch (error) {
    throw (error instanceof SystemCallError ? explain(error) : undefined) ?? refusalOf(error);
  }
}

/** Turns a refusal of the system into an EnvironmentError; returns any other error unchanged. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof EnvironmentError || systemErrorIn(error) === undefined) return error;
  return new EnvironmentError('system', `the system refused: ${(error as Error).message}`, error);
}
