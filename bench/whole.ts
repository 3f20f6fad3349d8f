import type { Crossing } from './crowd-process.ts';
import { Again } from './machine/watch.ts';

/** If fewer than this share of the packets arrive, a figure is not of the packets that its name tells. */
const ENOUGH = 0.95;

/** The same crossing. Throws {@link Again} if many of these packets did not arrive, or were not sent. */
export function whole(crossing: Crossing, packets: number): Crossing {
  if (crossing.arrived < ENOUGH * packets)
    throw new Again(`${crossing.arrived} of ${packets} packets arrived`);
  return crossing;
}

/** The result of the work. Rejects if the load ends before the work does: a part of it would have been measured at idle. */
export async function underLoad<T>(load: Promise<unknown>, work: Promise<T>): Promise<T> {
  const ended = load.then(() => {
    throw new Again('the load has ended before the measurement');
  });
  return await Promise.race([work, ended]);
}
