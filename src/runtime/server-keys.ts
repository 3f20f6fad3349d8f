import type { ClientKey, ServerOptions } from '../core/server/index.ts';
import { toHex } from '../wire/index.ts';

/** Keys for secure qualification, by the client identifier in hexadecimal digits. */
export type ServerKeys = ReadonlyMap<string, ClientKey>;

type KeyOf = NonNullable<ServerOptions['keys']>;

/** Looks up keys in those of the moment. */
export function keyOf(keys: () => ServerKeys | KeyOf | undefined): KeyOf {
  return (clientId) => {
    const now = keys();
    return typeof now === 'function' ? now(clientId) : now?.get(toHex(clientId));
  };
}
