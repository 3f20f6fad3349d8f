/**
 * A client's first thread and its other workers give the same verdict on random frames, good ones and ones with wrong fields. A packet that a worker
 * carries, the machine delivers, or sends to the same place, with the same octets. A packet that a worker drops, the machine does not deliver. All
 * others the worker leaves to the machine, unchanged. `TEREDO_SEED=7` repeats a run.
 */
import { expect, test } from 'vitest';
import { CARRYING_COUNTERS, CarryingWorker } from '../../src/core/offload/carrying-worker.ts';
import type { CommandExecutor } from '../../src/core/commands.ts';
import type { Machine } from '../../src/core/machine.ts';
import { SeededEntropy } from '../../src/sim/index.ts';
import { toHex } from '../../src/wire/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { hostReceives } from '../support/host-receive.ts';
import { PAYLOAD, RandomFrames } from '../support/random-frames.ts';
import { ClientSubject, SymmetricSubject } from '../support/verdict-subjects.ts';

const FRAMES = IS_ALL ? 1_000_000 : 20_000;
/** After each such number of frames time passes, and new peers are made. */
const EPOCH = 250;
/** Epochs of one machine. */
const EPOCHS = 20;
const PAUSES = [0, 900, 4_000, 12_000, 31_000, 70_000];
const SEED = Number(process.env['TEREDO_SEED'] ?? Date.now() % 2 ** 31);
const ETHERNET = 14;
const MOST = 4_096;

type Subject = ClientSubject | SymmetricSubject;

/** What a machine does with one input: the packets that it makes of it, but no others. */
class Outcome implements CommandExecutor {
  readonly done: string[] = [];
  private readonly input: Uint8Array;

  constructor(machine: Machine, input: Uint8Array, give: () => void) {
    this.input = input;
    give();
    machine.commands.drain(this);
  }

  transmit(
    socket: number,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
  ): void {
    if (buffer === this.input)
      this.done.push(`by ${socket} to ${address}:${port} ${toHex(buffer, start, end)}`);
  }
  deliver(buffer: Uint8Array, start: number, end: number): void {
    if (buffer === this.input) this.done.push(`delivered ${toHex(buffer, start, end)}`);
  }
  offload(): void {}
  unload(): void {}
  event(): void {}
}

class Verdicts {
  readonly counts = { carried: 0, dropped: 0, left: 0 };
  private readonly subject: Subject;
  private readonly worker: CarryingWorker;
  private readonly frame = new Uint8Array(MOST);
  private readonly frames: RandomFrames;
  private readonly random: SeededEntropy;
  private isLeft = false;

  constructor(subject: Subject, random: SeededEntropy) {
    this.subject = subject;
    this.random = random;
    this.frames = new RandomFrames(this.frame, random, subject.cast);
    const left = (): void => void (this.isLeft = true);
    this.worker = new CarryingWorker(64, random, {
      took: () => {},
      gaveUp: () => {},
      carried: () => {},
      leftDatagram: left,
      leftPacket: left,
    });
  }

  begin(): void {
    const { subject, worker } = this;
    for (const { address } of subject.carriedPeers()) worker.takeBack(address);
    subject.begin(this.random, this.random.pick(PAUSES));
    worker.setOwn(subject.own);
    for (const { address, mapped, lastReceived, socket } of subject.carriedPeers())
      if (socket === 0) worker.give(address, mapped, lastReceived, subject.now);
  }

  /** The difference, if any. */
  in(): string | undefined {
    const { subject, frame, frames } = this;
    const length = frames.incoming();
    const { address: own, port: service } = subject.cast.local;
    const received = hostReceives(frame, length, own, service);
    if (received === undefined || received.start !== PAYLOAD) return undefined;
    const { start, end, address, port, tos } = received;
    return this.compare((machine, b) =>
      machine.handleDatagram(0, b, start, end, address, port, subject.now, tos),
    );
  }

  out(): string | undefined {
    const { subject, frames } = this;
    const length = frames.outgoing();
    return this.compare((machine, b) => machine.handlePacket(b, ETHERNET, length, subject.now));
  }

  get counters(): CarryingWorker['counters'] {
    return this.worker.counters;
  }

  private compare(give: (machine: Machine, b: Uint8Array) => void): string | undefined {
    const { worker, frame, counts, subject } = this;
    const [first, second] = [frame.slice(), frame.slice()];
    this.isLeft = false;
    // The worker first: what it gives up, the machine still knows.
    const { done } = new Outcome(worker, first, () => give(worker, first));
    const { done: expected } = new Outcome(subject.machine, second, () => give(subject.machine, second));
    if (this.isLeft) {
      counts.left++;
      if (done.length > 0) return `left, and ${done.join()}`;
      return first.every((octet, at) => octet === frame[at]) ? undefined : 'left, but changed';
    }
    if (done.length === 0) counts.dropped++;
    else counts.carried++;
    return done.join() === expected.join() ? undefined : `${done.join()} instead of ${expected.join()}`;
  }
}

test.each([
  ['a client', ClientSubject],
  ['a client behind a symmetric NAT', SymmetricSubject],
] as const)(`%s: seed ${SEED}`, { timeout: 1_800_000 }, (_, kind) => {
  const random = new SeededEntropy(SEED);
  let verdicts = new Verdicts(new kind(1_000), random);
  const all = { carried: 0, dropped: 0, left: 0 };
  const counted = new Set<string>();
  for (let i = 0; i < FRAMES; i++) {
    if (i % (EPOCHS * EPOCH) === 0) verdicts = new Verdicts(new kind(1_000), random);
    if (i % EPOCH === 0) verdicts.begin();
    const difference = random.chance(0.6) ? verdicts.in() : verdicts.out();
    if (difference !== undefined) expect.fail(`seed ${SEED}, frame ${i}: ${difference}`);
    if (i % EPOCH !== EPOCH - 1) continue;
    for (const name of CARRYING_COUNTERS) if (verdicts.counters[name] > 0) counted.add(name);
    for (const verdict of ['carried', 'dropped', 'left'] as const) all[verdict] += verdicts.counts[verdict];
  }
  for (const count of Object.values(all)) expect(count, JSON.stringify(all)).toBeGreaterThan(0);
  expect(counted.size).toBe(CARRYING_COUNTERS.length);
});
