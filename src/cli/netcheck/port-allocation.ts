/** RFC 4787 section 4.2.1: whether mapped ports are those of the host. */
export type PortPreservation = 'yes' | 'sometimes' | 'no' | 'unknown';

/** How the NAT finds a port for a new mapping. */
export type PortAllocation = 'preserving' | 'counting' | 'random' | 'unknown';

/** Two ports in a row are no farther apart where a NAT counts: other hosts need some as well. As our client has it. */
const STEP_MOST = 64;
/** So many steps tell counting from chance, and so much of them must look like it: counters wrap round, datagrams overtake. */
const LEAST_STEPS = 3;
const ENOUGH = 0.7;

/** `mapped`: by socket; undefined: no answer. */
export function preservationOf(
  local: readonly number[],
  mapped: readonly (number | undefined)[],
): PortPreservation {
  const known = local.filter((_, i) => mapped[i] !== undefined);
  const kept = local.filter((port, i) => mapped[i] === port);
  if (known.length === 0) return 'unknown';
  if (kept.length === 0) return 'no';
  return kept.length === known.length ? 'yes' : 'sometimes';
}

/** `mapped`: by socket, then by destination, in the order in which they were asked. */
export function allocationOf(
  local: readonly number[],
  mapped: readonly (readonly (number | undefined)[])[],
): { readonly portAllocation: PortAllocation; readonly portStep?: number } {
  const known = mapped.flatMap((ports, i) =>
    ports.flatMap((port) => (port === undefined ? [] : [{ port, i }])),
  );
  if (known.length > 0 && known.every(({ port, i }) => port === local[i]))
    return { portAllocation: 'preserving' };
  // The same port for another destination is the same mapping.
  const given = known.map(({ port }) => port).filter((port, i, all) => port !== all[i - 1]);
  const steps = given.slice(1).map((port, i) => signed(port - given[i]!));
  if (steps.length < LEAST_STEPS) return { portAllocation: 'unknown' };
  for (const sign of [1, -1]) {
    const small = steps.map((step) => sign * step).filter((step) => step > 0 && step <= STEP_MOST);
    if (small.length >= ENOUGH * steps.length)
      return { portAllocation: 'counting', portStep: sign * Math.min(...small) };
  }
  return { portAllocation: 'random' };
}

/** The nearer way round from one port to the other. */
function signed(difference: number): number {
  return (difference << 16) >> 16;
}
