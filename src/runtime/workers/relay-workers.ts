import { randomUint32 } from '../../core/entropy.ts';
import type { LimitHits } from '../../core/limit-hits.ts';
import type { HeavyUsers, UserWindow } from '../../core/users/index.ts';
import type { PortFactory, UdpOptions } from '../../io/port-factory.ts';
import type { CancelTimer, Clock, Tun } from '../../io/ports.ts';
import { SteeredUdp } from '../../io/workers/steered-udp.ts';
import type { Strays } from '../../io/workers/steered-udp.ts';
import type { SharedTunnel } from '../../io/workers/worker-ports.ts';
import type { Steering } from '../../io/workers/worker-of.ts';
import type { PortCounters } from '../port-counters.ts';
import type { PlainRelaySettings } from '../relay-machine.ts';
import { countOf, readRecords } from './peer-records.ts';
import type { RecordedPeer } from './peer-records.ts';
import type { FromRelayWorker, RelayQuestion, RelayWorkerData, RelayWorkerState } from './relay-messages.ts';
import { SHOWN_NUMBERS } from './relay-shown.ts';
import { WorkerGroup } from './worker-group.ts';
import type { GroupHandlers } from './worker-group.ts';

/** How long the answers to a question hold at least: all who ask meanwhile get the same. */
const HOLD_MS = 1_000;
/**
 * For each peer in an answer it holds so much longer, a minute for a million. A walk keeps its answer until it is done: so few long ones are kept at once,
 * and workers are not busy with them.
 */
const HOLD_MS_A_PEER = 0.06;
/** Until a question counts as not answered. */
const ANSWER_MS = 5_000;

type Question = RelayQuestion extends infer Q ? (Q extends unknown ? Omit<Q, 'id'> : never) : never;

/** The workers of a relay beside its first thread, which divides the clients among all. */
export class RelayWorkers {
  private readonly group: WorkerGroup;
  private readonly clock: Clock;
  private readonly ports: PortFactory;
  private readonly steering: Steering;
  private others: SharedTunnel['others'] = [];
  private udp: SteeredUdp | undefined;
  private readonly questions = new Map<number, (answer: FromRelayWorker) => void>();
  private lastQuestion = 0;
  private readonly knownPeers: Held<readonly Uint8Array[]>;
  private readonly knownUsers: Readonly<Record<UserWindow, Held<readonly HeavyUsers[]>>>;

  /** `count`: of all threads, the first one included. `hits` gets the limits that the others reach. */
  constructor(ports: PortFactory, count: number, hits: LimitHits, handlers: GroupHandlers) {
    this.group = new WorkerGroup(ports, count, hits, {
      onLost: (reason) => handlers.onLost(reason),
      onWarning: (message) => handlers.onWarning(message),
      onLimit: () => handlers.onLimit(),
      onOther: (_, message) => this.hear(message as FromRelayWorker),
    });
    this.ports = ports;
    this.clock = ports.clock;
    this.knownPeers = new Held(
      this.clock,
      () => this.askForPeers(),
      (pieces) => Math.max(HOLD_MS, countOf(pieces) * HOLD_MS_A_PEER),
    );
    const usersOf = (window: UserWindow) =>
      new Held(
        this.clock,
        () => this.askForUsers(window),
        () => HOLD_MS,
      );
    this.knownUsers = { minute: usersOf('minute'), hour: usersOf('hour'), day: usersOf('day') };
    const { entropy } = ports;
    this.steering = { key: randomUint32(entropy), factor: (randomUint32(entropy) | 1) >>> 0, workers: count };
  }

  /** Opens the interface and the port for all threads; returns the first one's. */
  open(name: string, options: UdpOptions): { readonly tun: Tun; readonly udp: SteeredUdp } {
    const { tun, udp, others } = this.group.ports.openSharedTunnel(name, options, this.steering);
    this.others = others;
    this.udp = new SteeredUdp(udp, 0, this.steering, this.ports, (strays) => this.pass(strays));
    return { tun, udp: this.udp };
  }

  /** See {@link WorkerGroup.start}. */
  async start(
    settings: PlainRelaySettings,
    place: { readonly interface: string; readonly address: number },
    state: RelayWorkerState,
  ): Promise<void> {
    const { steering } = this;
    await this.group.start('relay-worker', SHOWN_NUMBERS, (worker, shown) => {
      const opened = this.others[worker - 1]!;
      const data: RelayWorkerData = { ...state, ...place, ...opened, settings, worker, steering, shown };
      return { data, descriptors: [opened.tun, opened.udp] };
    });
  }

  /** To all workers. */
  change(state: Partial<RelayWorkerState>): void {
    this.group.postAll({ type: 'change', state });
  }

  /** What each shows (relay-shown.ts). */
  get shown(): readonly Float64Array[] {
    return this.group.shown;
  }

  get portCounters(): PortCounters {
    return this.group.portCounters;
  }

  /** Asks all for their peers, which {@link peers} has afterwards. Rejects if one does not answer. */
  gatherPeers(): Promise<void> {
    return this.knownPeers.renew();
  }

  /** As {@link gatherPeers} found them. */
  peers(): Generator<RecordedPeer> {
    const { group, knownPeers } = this;
    return readRecords(knownPeers.value ?? [], group.ports.clockOffset);
  }

  get peerCount(): number {
    return countOf(this.knownPeers.value ?? []);
  }

  /** Asks all for their users in a window. */
  gatherUsers(window: UserWindow): Promise<void> {
    return this.knownUsers[window].renew();
  }

  /** As {@link gatherUsers} found them. */
  users(window: UserWindow): readonly HeavyUsers[] {
    return this.knownUsers[window].value ?? [];
  }

  /** Resolves when they have ended, with their last reports added. */
  async close(): Promise<void> {
    const { group } = this;
    for (const { tun, udp } of this.others.slice(group.started)) {
      group.ports.discard(tun);
      group.ports.discard(udp);
    }
    this.others = [];
    await group.close();
  }

  private async askForPeers(): Promise<readonly Uint8Array[]> {
    const pieces: Uint8Array[] = [];
    await this.ask({ type: 'peers?' }, (answer) => {
      if (answer.type === 'peers' && answer.records.length > 0) pieces.push(answer.records);
      return answer.type === 'peers' && answer.records.length === 0;
    });
    return pieces;
  }

  private async askForUsers(window: UserWindow): Promise<readonly HeavyUsers[]> {
    const lists: HeavyUsers[] = [];
    await this.ask({ type: 'users?', window }, (answer) => {
      if (answer.type === 'users') lists.push(answer.users);
      return true;
    });
    return lists;
  }

  /** Puts a question to all workers. `take` gets each answer; true: it is the last of that worker. */
  private ask(question: Question, take: (answer: FromRelayWorker) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = this.shown.length;
      if (left === 0) return resolve(); // the role starts
      let cancel: CancelTimer = () => {};
      // A long answer has many pieces.
      const wait = (): void => {
        cancel();
        cancel = this.clock.setTimer(this.clock.now() + ANSWER_MS, () =>
          end(() => reject(new Error(`a worker has not answered for ${ANSWER_MS / 1_000} s`))),
        );
      };
      const end = (settle: () => void): void => {
        cancel();
        for (const id of ids) this.questions.delete(id);
        settle();
      };
      const ids = this.shown.map((_, i) => {
        const id = ++this.lastQuestion;
        this.questions.set(id, (answer) => {
          wait();
          if (!take(answer)) return;
          this.questions.delete(id);
          if (--left === 0) end(resolve);
        });
        this.group.post(i + 1, { ...question, id });
        return id;
      });
      wait();
    });
  }

  private hear(message: FromRelayWorker): void {
    if (message.type === 'strays') this.pass(message);
    else if (message.type === 'peers' || message.type === 'users') this.questions.get(message.id)?.(message);
  }

  private pass({ to, batch }: Strays): void {
    if (to === 0) this.udp?.inject(batch);
    else this.group.post(to, { type: 'strays', to, batch });
  }
}

/** The last answer to a question that costs some work. */
class Held<T> {
  value: T | undefined;
  private readonly clock: Clock;
  private until = -Infinity;
  private readonly ask: () => Promise<T>;
  private readonly holdMs: (value: T) => number;
  private asking: Promise<void> | undefined;

  /** `holdMs`: for how long an answer holds. */
  constructor(clock: Clock, ask: () => Promise<T>, holdMs: (value: T) => number) {
    this.clock = clock;
    this.ask = ask;
    this.holdMs = holdMs;
  }

  /** Resolves when {@link value} holds. */
  renew(): Promise<void> {
    if (this.clock.now() < this.until) return Promise.resolve();
    this.asking ??= this.answered().finally(() => (this.asking = undefined));
    return this.asking;
  }

  private async answered(): Promise<void> {
    this.value = await this.ask();
    this.until = this.clock.now() + this.holdMs(this.value);
  }
}
