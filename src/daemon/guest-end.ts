import { EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';

/** The end of a command whose work has no end of its own. */
export interface End {
  readonly message: string;
  readonly exitCode: ExitCode;
}

/** Resolves when a signal ends this process. */
export function signalled(): Promise<End> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () =>
        resolve({
          message: `stopping: ${signal}`,
          exitCode: signal === 'SIGINT' ? EXIT.INTERRUPTED : EXIT.OK,
        }),
      );
  });
}
