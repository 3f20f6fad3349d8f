import { ask } from '../control/control-client.ts';

/** It is an attempt: the role starts without it. */
const MOST_MS = 100;

/**
 * The daemon asks itself for its status before its role serves: the first question compiles code for 5 ms, for which packets would wait. Never rejects.
 * adr/0037
 */
export async function rehearseControl(path: string): Promise<void> {
  try {
    await ask(path, { command: 'status' }, { timeoutMs: MOST_MS });
  } catch {
    // the first one that asks later waits for a few milliseconds more
  }
}
