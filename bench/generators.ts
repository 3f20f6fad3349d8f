/** How many generators a measurement needs: with too few, the generators are measured. With too many they take the processors from the program. */
import type { Order } from './row.ts';

/** One more generator has to add this share of the rate to be used. */
const ENOUGH = 0.05;
/** Pairs of trials that decide about one more generator: the median of their quotients counts. */
const PAIRS = 3;
/** In a short form of the bench, whose figures mean little. */
const [QUICK_PAIRS, QUICK_MOST] = [1, 2];

export interface Generators {
  /** The smallest number to which another one adds less than {@link ENOUGH}. */
  readonly count: number;
  /** Whether even the last one that was tried added {@link ENOUGH} or more. The rate is then that of the generators. */
  readonly isBound: boolean;
}

/** The rate with this many generators, in one trial. */
type Trial = (count: number) => Promise<number>;

/** Adds generators until another one adds less than 5 %. */
export async function findGenerators(
  { quick }: Pick<Order, 'quick'>,
  mostInFull: number,
  rate: Trial,
): Promise<Generators> {
  const pairs = quick ? QUICK_PAIRS : PAIRS;
  const most = quick ? Math.min(mostInFull, QUICK_MOST) : mostInFull;
  for (let count = 1; count < most; count++)
    if (!(await addsEnough(count, rate, pairs))) return { count, isBound: false };
  return { count: most, isBound: true };
}

/** Whether the median says that one more than `count` adds 5 %. It is known as soon as most of the pairs agree. */
async function addsEnough(count: number, rate: Trial, pairs: number): Promise<boolean> {
  const majority = (pairs + 1) / 2;
  let [enough, tooLittle] = [0, 0];
  while (enough < majority && tooLittle < majority) {
    const quotient = await oneMore(count, rate, (enough + tooLittle) % 2 === 1);
    if (quotient >= 1 + ENOUGH) enough++;
    else tooLittle++;
  }
  return enough === majority;
}

/** The rate with one generator more, divided by that with `count`: one right after the other, so that a change of the machine meets both. */
async function oneMore(count: number, rate: Trial, moreFirst: boolean): Promise<number> {
  if (moreFirst) {
    const more = await rate(count + 1);
    return more / (await rate(count));
  }
  const fewer = await rate(count);
  return (await rate(count + 1)) / fewer;
}
