import { test } from 'vitest';

/** `TEREDO_SEED=7 npx vitest run ...` runs every seeded test with that seed alone. */
const forced = process.env['TEREDO_SEED'];

/** The seeds to run: 1 to `count`, or the one given by the environment. */
export function seeds(count: number): number[] {
  return forced === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(forced)];
}

/** Runs `body`; if it fails, puts the seed in front of the error message. */
export function withSeed<T>(seed: number, body: (seed: number) => T): T {
  try {
    return body(seed);
  } catch (error) {
    if (error instanceof Error) error.message = `[seed ${seed}] ${error.message}`;
    throw error;
  }
}

/** A test of one seeded world. */
export function seededTest(name: string, body: (seed: number) => void): void {
  test(name, () => withSeed(seeds(1)[0]!, body));
}
