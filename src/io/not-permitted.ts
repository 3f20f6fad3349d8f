import { EnvironmentError } from './errors.ts';

/** The error of a process without a capability. `otherwise`: how to do without it. */
export function notPermitted(action: string, capability: string, otherwise = ''): EnvironmentError {
  return new EnvironmentError(
    'not-permitted',
    `not permitted: ${action} needs root or ${capability}${otherwise}`,
  );
}
