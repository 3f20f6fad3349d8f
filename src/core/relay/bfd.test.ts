import { describe, expect, test } from 'vitest';
import { v6 } from '../../../test/support/client-rig.ts';
import { RelayRig } from '../../../test/support/relay-rig.ts';
import { BFD_STATE, buildBfd, readBfd } from '../../wire/index.ts';
import type { BfdPacket } from '../../wire/index.ts';

const [DAEMON, OWN] = [v6('fe80::1'), v6('fe80::2')];
const MINE = 0x1234_5678;
/** Of a daemon that wants a packet every 40 ms. */
const ASKED: BfdPacket = {
  source: DAEMON,
  destination: OWN,
  state: BFD_STATE.down,
  poll: false,
  final: false,
  multiplier: 10,
  mine: MINE,
  yours: 0,
  desiredMinTx: 1_000_000,
  requiredMinRx: 40_000,
};

class BfdRig extends RelayRig {
  constructor(isRunning = true) {
    super({ bfdAddress: OWN });
    if (isRunning) this.machine.begin();
  }

  ask(change: Partial<BfdPacket>): this {
    return this.offer(buildBfd({ ...ASKED, ...change }));
  }

  /** A session that is up, as the daemon sees it. */
  up(change: Partial<BfdPacket> = {}): this {
    this.ask({});
    return this.ask({ state: BFD_STATE.up, yours: this.answers.at(-1)!.mine, ...change });
  }

  get answers(): BfdPacket[] {
    return this.delivered.map((packet) => readBfd(packet, 0)!);
  }

  get states(): number[] {
    return this.answers.map(({ state }) => state);
  }
}

test('a daemon that begins gets an answer at once', () => {
  const rig = new BfdRig().ask({});
  expect(rig.answers).toEqual([
    {
      source: OWN,
      destination: DAEMON,
      state: BFD_STATE.init,
      poll: false,
      final: false,
      multiplier: 6,
      mine: rig.answers[0]!.mine,
      yours: MINE,
      desiredMinTx: 1_000_000,
      requiredMinRx: 30_000,
    },
  ]);
});

test('no daemon is answered before the relay runs', () => {
  const rig = new BfdRig(false).ask({}).advance(1_000);
  expect(rig.delivered).toEqual([]);
  rig.machine.begin();
  expect(rig.ask({}).states).toEqual([BFD_STATE.init]);
});

describe('a session that is up', () => {
  test('gets packets in turn, three quarters of the interval apart or more', () => {
    const rig = new BfdRig().up().clear().advance(4_000);
    expect(rig.delivered.length).toBeGreaterThanOrEqual(100);
    expect(rig.delivered.length).toBeLessThanOrEqual(134);
    expect(new Set(rig.states)).toEqual(new Set([BFD_STATE.up]));
    expect(rig.answers[0]).toMatchObject({ yours: MINE, desiredMinTx: 30_000 });
  });

  test('asks for a confirmation of the shorter interval until it has come', () => {
    const rig = new BfdRig().up();
    const { mine, poll } = rig.answers.at(-1)!;
    expect(poll).toBe(true);
    rig.ask({ state: BFD_STATE.up, yours: mine, final: true }).clear().advance(100);
    expect(rig.answers.map((one) => one.poll)).toEqual(rig.answers.map(() => false));
  });

  test('answers at once where the daemon asks for that', () => {
    const rig = new BfdRig().up();
    const { mine } = rig.answers.at(-1)!;
    rig.clear().ask({ state: BFD_STATE.up, yours: mine, poll: true });
    expect(rig.answers).toMatchObject([{ state: BFD_STATE.up, poll: false, final: true }]);
  });

  test('gets nothing in turn where the daemon wants nothing', () => {
    const rig = new BfdRig().up({ requiredMinRx: 0 }).clear().advance(1_000);
    expect(rig.delivered).toEqual([]);
  });

  test('continues while packets of the daemon are lost, and ends after 5 s of silence', () => {
    const rig = new BfdRig().up().clear().advance(4_900);
    expect(rig.delivered.length).toBeGreaterThan(100);
    rig.advance(200).clear().advance(60_000);
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.pollTimeout()).toBe(Infinity);
  });

  test('begins again where the daemon does', () => {
    const rig = new BfdRig().up().clear().ask({}).advance(1_000);
    expect(rig.states).toEqual([BFD_STATE.init]);
  });

  test('ends where the daemon says so', () => {
    const rig = new BfdRig().up().clear().ask({ state: BFD_STATE.adminDown }).advance(1_000);
    expect(rig.delivered).toEqual([]);
  });
});

test('a relay that withdraws says so at once, and to daemons that begin later', () => {
  const rig = new BfdRig().up().clear();
  rig.machine.withdraw(rig.now);
  rig.machine.commands.drain(rig);
  expect(rig.states).toEqual([BFD_STATE.adminDown]);
  rig.advance(1_000).ask({ mine: 7 });
  expect(new Set(rig.states)).toEqual(new Set([BFD_STATE.adminDown]));
  expect(rig.answers.at(-1)).toMatchObject({ yours: 7 });
});

test('many numbers of one user delay no answer to another, and hold no more memory', () => {
  const rig = new BfdRig().up();
  const yours = rig.answers.at(-1)!.mine;
  for (let mine = 1; mine <= 1_000; mine++) rig.ask({ state: BFD_STATE.up, mine, yours });
  rig.clear().ask({ state: BFD_STATE.up, yours });
  expect(rig.answers).toMatchObject([{ yours: MINE, state: BFD_STATE.up }]);
  rig.clear().advance(1_000);
  expect(new Set(rig.answers.map((one) => one.yours)).size).toBe(4);
});

test('a number that another process gave, and packets that are no BFD, get no answer', () => {
  const rig = new BfdRig().ask({});
  const { mine } = rig.answers[0]!;
  rig.clear().ask({ state: BFD_STATE.up, yours: (mine ^ 1) >>> 0 });
  rig.offer(buildBfd(ASKED).fill(0, 48));
  expect(rig.delivered).toEqual([]);
  expect(rig.machine.counters).toMatchObject({ bfdReceived: 1, bfdSent: 1, droppedNotTeredo: 2 });
});

test('without an address for it no daemon is answered', () => {
  const rig = new RelayRig().offer(buildBfd(ASKED));
  expect(rig.delivered).toEqual([]);
  expect(rig.machine.counters.droppedNotTeredo).toBe(1);
});
