/** Asks running daemons, for programs. */
import { basename } from 'node:path';
import { fitsSchema } from './answer-shape.ts';
import type { AnswerName } from './answer-shape.ts';
import { ask, findSockets } from './control-client.ts';
import { misunderstood, refusalOf } from './control-error.ts';
import type { ControlError } from './control-error.ts';
import { MAX_PEERS } from './control-protocol.ts';
import type { ControlRequest } from './control-protocol.ts';
import { eventsAt } from './event-stream.ts';
import type { DaemonEvent, EventsQuestion } from './event-stream.ts';
import { networkNamespace } from './network-namespace.ts';
import { firstPeers } from './peer-order.ts';
import type { PeerOrder } from './peer-order.ts';
import type {
  ContactStatus,
  PeersStatus,
  ReloadStatus,
  RoleStatus,
  StateInWords,
  UsersStatus,
} from './status.ts';

export interface ControlClientOptions {
  /** How long an answer may take: 10 s. A reload and a list of 100,000 peers may need as long. */
  readonly timeoutMs?: number;
}

export interface PeersQuestion {
  /** How many at most: 1,000. */
  readonly limit?: number;
  /** Of all peers, however many are asked for; without it, in the order of the table. */
  readonly sort?: PeerOrder;
}

export interface UsersQuestion {
  readonly window?: UsersStatus['window'];
  readonly limit?: number;
}

const TIMEOUT_MS = 10_000;
/** Characters of an answer without a list, and of a peer in a list: several times what a daemon of this version sends. */
const MOST_CHARACTERS = 4 << 20;
const MOST_OF_PEER = 1 << 10;
const USUAL_PEERS = 1_000;
const USUAL_USERS = 10;

/** One daemon, by its control socket. Each question is a connection of its own. All methods reject with a {@link ControlError}. */
export class ControlClient {
  /** The control socket. */
  readonly path: string;
  private readonly timeoutMs: number;

  constructor(path: string, { timeoutMs = TIMEOUT_MS }: ControlClientOptions = {}) {
    this.path = path;
    this.timeoutMs = timeoutMs;
  }

  /**
   * The daemons of this user and of root that answer, of this name or of any: those in this network namespace, or all of this machine where none runs
   * in it. Empty where none runs; rejects where there are only daemons that give no answer.
   */
  static async find(name?: string, options?: ControlClientOptions): Promise<ControlClient[]> {
    const clients = findSockets(name).sockets.map(({ path }) => new ControlClient(path, options));
    const outcomes = await Promise.allSettled(clients.map((client) => client.status()));
    const namespaces = outcomes.map((one) =>
      one.status === 'fulfilled' ? one.value.networkNamespace : undefined,
    );
    const found = clients.filter((_, i) => namespaces[i] !== undefined);
    const here = networkNamespace();
    const near = clients.filter((_, i) => namespaces[i] === here);
    const failures = outcomes.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as ControlError] : [],
    );
    const failure = failures.find(({ code }) => code !== 'no-daemon');
    if (found.length === 0 && failure !== undefined) throw failure;
    return near.length > 0 ? near : found;
  }

  /** The name of the daemon. */
  get name(): string {
    return basename(this.path, '.sock');
  }

  status(): Promise<RoleStatus> {
    return this.ask({ command: 'status' }, 'status');
  }

  /** Whether the daemon can serve, with its state, a reason and advice in words. */
  async ready(): Promise<StateInWords> {
    const { inWords } = await this.status();
    if (inWords === undefined) throw misunderstood(this.path);
    return inWords;
  }

  /** Of a client or relay. */
  async peers({ limit = USUAL_PEERS, sort }: PeersQuestion = {}): Promise<PeersStatus> {
    const asked = sort === undefined ? Math.min(limit, MAX_PEERS) : MAX_PEERS;
    const answer = await this.ask<PeersStatus>(
      { command: 'peers', limit: asked },
      'peers',
      asked * MOST_OF_PEER,
    );
    return sort === undefined ? answer : { ...answer, peers: firstPeers(answer.peers, sort, limit) };
  }

  /** Of a relay: the clients and native prefixes with the most octets; `limit` of each, 10. */
  users({ window = 'minute', limit = USUAL_USERS }: UsersQuestion = {}): Promise<UsersStatus> {
    return this.ask({ command: 'users', window, limit }, 'users');
  }

  /** How far a client has come in finding a way to a peer. */
  contact(address: string): Promise<ContactStatus> {
    return this.ask({ command: 'contact', address }, 'contact');
  }

  /** Has a relay withdraw its announcement; for root and the daemon's user. */
  drain(): Promise<RoleStatus> {
    return this.ask({ command: 'drain' }, 'status');
  }

  /** Has a daemon read its configuration file again; for root and the daemon's user. */
  reload(): Promise<ReloadStatus> {
    return this.ask({ command: 'reload' }, 'reload');
  }

  /** The status each second, and the events of the log, those before first. They end when the daemon ends. */
  events(question: EventsQuestion = {}): AsyncIterable<DaemonEvent> {
    return eventsAt(this.path, question);
  }

  private async ask<T>(request: ControlRequest, name: AnswerName, further = 0): Promise<T> {
    const { path, timeoutMs } = this;
    const answer = await ask(path, request, { timeoutMs, mostCharacters: MOST_CHARACTERS + further });
    if (!answer.ok) throw refusalOf(answer);
    if (!fitsSchema(name, answer.result)) throw misunderstood(path);
    return answer.result as T;
  }
}
