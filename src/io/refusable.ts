import { SystemCallError } from '../linux/errors.ts';
import { systemErrorIn } from '../linux/system-failures.ts';
import { EnvironmentError } from './errors.ts';

/** Does what the kernel may refuse, and gives its refusal the words that help. */
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

/** A refusal of the system as an EnvironmentError; any other error as it is. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof EnvironmentError || systemErrorIn(error) === undefined) return error;
  return new EnvironmentError('system', `the system refused: ${(error as Error).message}`, error);
}
