import { isUnderNohup } from '../io/nohup.ts';
import { EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { announce, say } from './log.ts';

/** The end of a command whose work has no end of its own. */
export interface End {
  readonly message: string;
  readonly exitCode: ExitCode;
  /** That has caused it. */
  readonly signal?: NodeJS.Signals;
}

/** Writes it to the log. */
export function sayEnd({ message, exitCode, signal }: End): void {
  if (signal !== undefined) announce('stopping', message, { signal });
  else if (exitCode === EXIT.OK) announce('notice', message);
  else say('failed', message);
}

/** Resolves when a signal ends this process. */
export function signalled(): Promise<End> {
  const isHangUpIgnored = isUnderNohup();
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (signal === 'SIGHUP' && isHangUpIgnored) return;
        const exitCode = signal === 'SIGINT' ? EXIT.INTERRUPTED : EXIT.OK;
        resolve({ message: `stopping: ${signal}`, signal, exitCode });
      });
  });
}
