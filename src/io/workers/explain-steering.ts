import type { SystemCallError } from '../../linux/errors.ts';
import { EnvironmentError } from '../errors.ts';
import { notPermitted } from '../not-permitted.ts';

const OTHERWISE = '--workers 1 does without';

/** Gives the kernel the programs that divide packets among workers; its refusal says what to do. */
export function explainSteering(steer: () => void): void {
  try {
    steer();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { code } = error as Partial<SystemCallError>;
    if (code === 'EPERM' || code === 'EACCES')
      throw notPermitted('dividing packets among workers', 'CAP_BPF and CAP_NET_ADMIN', `; ${OTHERWISE}`);
    throw new EnvironmentError(
      'system',
      `packets cannot be divided among workers: ${error.message}; ${OTHERWISE}`,
      error,
    );
  }
}
