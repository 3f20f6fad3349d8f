import { Guest } from '../io/guest/guest.ts';
import { ownProgram } from './own-program.ts';

/** Begins to make the guest of a program. It is the longest part of a start, so it comes before the modules of a client are loaded. */
export function beginGuest(words: readonly string[]): Promise<Guest> {
  const making = Guest.make(ownProgram('guest-agent'), words);
  making.catch(() => {}); // the client says why
  return making;
}
