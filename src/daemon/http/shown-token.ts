import { hasToken } from './origin.ts';
import type { HttpRules } from './rules.ts';

const HEADER = /^authorization:[ \t]*(.*)$/im;

/** Whether the head of a request has the token that is wanted. It is looked at before the request is parsed: parsing waits for a turn. */
export function showsToken(head: Uint8Array, { token }: HttpRules): boolean {
  if (token === undefined) return false;
  const shown = HEADER.exec(Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1'))?.[1];
  return shown !== undefined && hasToken(shown.trim(), token);
}
