import { test } from 'vitest';

/** `TEREDO_SEED=7 npx vitest run ...` runs every seeded test with that seed alone. */
const forced = process.env['TEREDO_SEED'];

/** The seeds to run with: `count` from 1 on, or the one that the environment asks for. */
export function seeds(count: number): number[] {
  return forced === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(forced)];
}

/** Runs `body` and puts the seed in front of what it fails with. */
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
