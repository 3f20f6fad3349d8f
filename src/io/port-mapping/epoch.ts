/** RFC 6887 section 8.5. */
const BACKWARDS_SECONDS = 1;
const TOLERANCE_SECONDS = 2;
const DRIFT = 1 / 16;

/**
 * Tells whether a gateway has restarted since its last message, from the seconds since its start that each message gives. RFC 6887 section
 * 8.5; RFC 6886 section 3.6 has the same rule with more tolerance.
 */
export class Epoch {
  private last: { readonly seconds: number; readonly nowMs: number } | undefined;

  /** The first message gives `undefined`: there is nothing to compare it with. `nowMs`: of a monotonic clock. */
  continues(seconds: number, nowMs: number): boolean | undefined {
    const { last } = this;
    this.last = { seconds, nowMs };
    if (last === undefined) return undefined;
    if (seconds < last.seconds - BACKWARDS_SECONDS) return false;
    const gateway = seconds - last.seconds;
    const host = (nowMs - last.nowMs) / 1000;
    return (
      host + TOLERANCE_SECONDS >= gateway * (1 - DRIFT) && gateway + TOLERANCE_SECONDS >= host * (1 - DRIFT)
    );
  }
}
