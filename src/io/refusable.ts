import { SystemCallError } from '../linux/errors.ts';
import { EnvironmentError } from './errors.ts';

/** Does what the kernel may refuse, and gives its refusal the words that help. */
export function refusable<T>(
  action: () => T,
  explain: (error: SystemCallError) => EnvironmentError | undefined = () => undefined,
): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw explain(error) ?? new EnvironmentError('system', `the system refused: ${error.message}`, error);
  }
}
