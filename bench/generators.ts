/** How many generators a measurement needs: with too few, the generators are measured. */

/** One more generator has to add this share of the rate to be worth another attempt. */
const ENOUGH = 0.05;

export interface Generators {
  /** The number with the highest rate. */
  readonly count: number;
  /** Whether even the last one that was tried added {@link ENOUGH} or more. The rate is then that of the generators. */
  readonly isBound: boolean;
}

/** Adds generators until another one adds less than 5 %. `rate`: the rate with this many. */
export async function findGenerators(
  most: number,
  rate: (count: number) => Promise<number>,
): Promise<Generators> {
  let last = await rate(1);
  for (let count = 2; count <= most; count++) {
    const next = await rate(count);
    if (!(next >= last * (1 + ENOUGH))) return { count: next > last ? count : count - 1, isBound: false };
    last = next;
  }
  return { count: most, isBound: true };
}
