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
    if (error instanceof EnvironmentError || systemErrorIn(error) === undefined) throw error;
    const words = error instanceof SystemCallError ? explain(error) : undefined;
    throw words ?? new EnvironmentError('system', `the system refused: ${(error as Error).message}`, error);
  }
}
