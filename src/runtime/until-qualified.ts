import type { EventEmitter } from 'node:events';
import type { ClientState } from '../core/events.ts';
import type { ClientEvents } from './client-settings.ts';

/** Resolves once a client is qualified; rejects with the signal's reason when `signal` aborts first. */
export function untilQualified(
  client: EventEmitter<ClientEvents> & { readonly state: ClientState },
  signal?: AbortSignal,
): Promise<void> {
  if (client.state === 'qualified') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const done = (): void => {
      client.off('state', onState);
      signal?.removeEventListener('abort', onAbort);
    };
    const onState = (state: ClientState): void => {
      if (state !== 'qualified') return;
      done();
      resolve();
    };
    const onAbort = (): void => {
      done();
      reject(signal!.reason as Error);
    };
    if (signal?.aborted === true) return onAbort();
    client.on('state', onState);
    signal?.addEventListener('abort', onAbort);
  });
}
