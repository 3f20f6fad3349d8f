import { expect, onTestFinished, test, vi } from 'vitest';
import { Api } from './api.ts';

/** A daemon that never answers. */
function silence(): void {
  vi.stubGlobal(
    'fetch',
    (_: string, { signal }: { signal: AbortSignal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  );
  onTestFinished(() => void vi.unstubAllGlobals());
}

test.each(['json', 'daemons'] as const)(
  'an answer to %s that does not come ends the question',
  async (kind) => {
    silence();
    const api = new Api(undefined, undefined, 20);
    const { signal } = new AbortController();
    await expect(kind === 'json' ? api.json('peers', signal) : api.daemons(signal)).rejects.toThrow(
      /timeout/i,
    );
  },
);
