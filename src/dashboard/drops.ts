/** Dropped packets by reason, out of the counters of a daemon. */
import type { RoleStatus } from '../control/status.ts';

/** Losses of the system, behind which a reason of the system may stand: `udpSendFailures.ENOBUFS`. */
const LOSSES = /^(udpReceiveOverflows|udpSendFailures|tunWriteFailures|tunReadFailures)/;
const DROPPED = /^dropped(?=[A-Z])/;

/** Counts by reason, in words. */
export function dropsIn({ counters }: Pick<RoleStatus, 'counters'>): Map<string, number> {
  const drops = new Map<string, number>();
  for (const [name, count] of Object.entries(counters))
    if (DROPPED.test(name) || LOSSES.test(name)) drops.set(reasonInWords(name), count);
  return drops;
}

/** `droppedTooBig`: "too big". */
export function reasonInWords(counter: string): string {
  const [name, code] = counter.replace(DROPPED, '').split('.');
  const words = name!.replaceAll(
    /[A-Z]/g,
    (letter, at: number) => `${at === 0 ? '' : ' '}${letter.toLowerCase()}`,
  );
  return code === undefined ? words : `${words}: ${code}`;
}

/** The reasons with the most drops, the most first. */
export function mainReasons(drops: Iterable<ReadonlyMap<string, number>>, most: number): string[] {
  const totals = new Map<string, number>();
  for (const rates of drops)
    for (const [reason, rate] of rates) totals.set(reason, (totals.get(reason) ?? 0) + rate);
  const byTotal = [...totals].sort(([, a], [, b]) => b - a);
  return byTotal.slice(0, most).map(([reason]) => reason);
}
