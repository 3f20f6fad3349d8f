import type { PortFactory } from '../../io/port-factory.ts';

/** After so many rounds V8 has compiled what packets need. */
export const ROUNDS = 40;

/**
 * V8 compiles a function at its first call: the first packets of a role take several times as long as later ones. So the first calls are made before
 * the role serves, by a rehearsal: a machine of its own whose packets stay in memory, and which shares no state with the role. It ends when the time
 * that `ports` permits is over. adr/0037
 */
export function warmUp({ clock, rehearsalMs }: PortFactory, rehearse: () => Iterator<number>): void {
  if (rehearsalMs === undefined) return;
  const end = clock.now() + rehearsalMs;
  const rehearsal = rehearse();
  for (let i = 0; i < ROUNDS && clock.now() < end; i++) rehearsal.next();
}
