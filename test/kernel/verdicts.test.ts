import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { SeededEntropy } from '../../src/sim/index.ts';
import { monotonic } from '../support/carrying-programs.ts';
import { IS_ALL } from '../support/extent.ts';
import { ClientSubject, RelaySubject, SymmetricSubject } from '../support/verdict-subjects.ts';
import { VerdictWorld } from '../support/verdict-world.ts';
import type { Subject } from '../support/verdict-world.ts';
import { upFor } from '../support/uptime.ts';

/**
 * One verdict. The machines and the kernel's programs get the same random frames, good ones and ones with wrong fields. A packet that a
 * program carries, the machine delivers, or sends to the same address, with the same octets. A packet that a program drops, the machine
 * does not deliver. All others stay unchanged. The model of the programs (core/offload/carrier) agrees with them on each.
 *
 * `TEREDO_SEED=7` repeats a run, `TEREDO_TEST_ALL=1` tries 7.5 million frames.
 */
const FRAMES = IS_ALL ? 7_500_000 : 150_000;
/** After each such number of frames time passes, and new peers are made. */
const EPOCH = 250;
/** Epochs of one machine; with more, its memory of strangers would grow without end. */
const EPOCHS = 20;
/** Time since the epoch before, ms: peers are fresh, silent, or no longer valid. */
const PAUSES = [0, 4_000, 4_000, 12_000, 20_000, 31_000, 70_000];
/** The share of inward frames: peers that are heard again at once would never need a proof. */
const SHARES = [0.8, 0.5, 0.05];
const SEED = Number(process.env['TEREDO_SEED'] ?? Date.now() % 2 ** 31);
/** Reasons that no frame here can cause; paths are proven from the start. */
const NEVER = new Set([
  'outUnproven',
  'outUnfinished',
  'outBulk',
  'outUnsummed',
  'outSample',
  'outRefused',
  'inProof',
  'inRefused',
  'reportsLate',
  'talliesLost',
  'inDriver',
]);

beforeAll(async () => {
  await upFor(75_000);
  enterNewNetwork();
}, 80_000);

const SUBJECTS = {
  client: { make: (now: number) => new ClientSubject(now), idle: [] },
  'client behind a symmetric NAT': {
    make: (now: number) => new SymmetricSubject(now),
    idle: [],
  },
  relay: { make: (now: number) => new RelaySubject(now), idle: ['inAdvertisement', 'inTestReply'] },
};

describe.each(Object.entries(SUBJECTS))('%s', (role, { make, idle: unused }) => {
  const random = new SeededEntropy(SEED);
  const newSubject = (): Subject => make(monotonic());
  let world: VerdictWorld;
  beforeAll(() => {
    world = new VerdictWorld(newSubject(), random);
  });
  afterAll(() => world.close());

  test(`machine, program and model give the same verdict: seed ${SEED}`, { timeout: 1_800_000 }, () => {
    const begun = performance.now();
    let share = 0;
    for (let i = 0; i < FRAMES / 3; i++) {
      if (i % (EPOCHS * EPOCH) === 0) world.renew(newSubject());
      if (i % EPOCH === 0) {
        world.begin(random.pick(PAUSES));
        share = random.pick(SHARES);
      }
      const difference = random.chance(share) ? world.in() : world.out();
      if (difference !== undefined) expect.fail(`seed ${SEED}, frame ${i}, ${difference}`);
    }
    const rate = Math.round(FRAMES / 3 / ((performance.now() - begun) / 1_000));
    process.stdout.write(
      `${role}: seed ${SEED}, ${rate} frames/s, ${JSON.stringify(world.verdicts)}, ${world.unwrapped} in the driver\n`,
    );
    expect(world.unwrapped).toBeGreaterThan(0);
    // Each rule has applied at least once.
    const idle = Object.entries(world.counters).filter(([name, count]) => count === 0 && !NEVER.has(name));
    expect(idle.map(([name]) => name)).toEqual(unused);
    expect(world.carriedByOtherSockets > 0).toBe(role === 'client behind a symmetric NAT');
  });
});
