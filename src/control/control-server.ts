import { randomFillSync } from 'node:crypto';
import { lstatSync, rmSync, rmdirSync } from 'node:fs';
import { threadTimeMs } from '../io/thread-time.ts';
import { keepOut } from '../io/unix-socket.ts';
import { LimitHits } from '../core/limit-hits.ts';
import { systemClock } from '../io/system-clock.ts';
import { LimitLog } from '../runtime/limit-log.ts';
import { Admission, givesWay } from './admission.ts';
import type { Caller } from './admission.ts';
import { Connection, IDLE_LOOK_MS, LOOK_MS } from './connection.ts';
import type { Places } from './connection.ts';
import { controlPath, isChosen, makeControlDirectory } from './control-path.ts';
import { parseRequest } from './control-protocol.ts';
import type { ControlAnswer, ControlRequest } from './control-protocol.ts';
import { ControlEntrance, TcpEntrance } from './entrance.ts';
import type { Entrance, Newcomer } from './entrance.ts';
import { Flooders } from './flooders.ts';
import { SubordinateUids } from './subordinate-uids.ts';
import { FairQueue } from './fair-queue.ts';
import { HttpStream } from './http-stream.ts';
import type { HttpHandler } from './http-stream.ts';
import { HttpTurns } from './http-turns.ts';
import { isAlive } from './live-socket.ts';
import { ListText, aroundList } from './list-text.ts';
import { ProcessorBudget } from './processor-budget.ts';

/** Of each kind of {@link Places}. */
const MAX_CONNECTIONS = 32;
/** The file's permissions. Every user may look (status, peers); the handler refuses changes by others than root and the daemon's own user. */
const MODE = 0o666;
/** After answers to root and the daemon's own user the others of the process have this many times as long; and after answers to other users. */
const REST = 4;
const STRANGERS_REST = 48;
/**
 * How much of a processor accepting and looking may take; and how many ms of it at once, when there was little to do before: a flood that fills
 * the kernel's queue of 4,096 connections is off it in that time, so that the users behind it wait for a moment only.
 */
const LOOK_SHARE = 1 / 32;
const LOOK_BURST_MS = 100;
/** Connections are accepted for no longer than this at a time. */
const ACCEPT_MS = 4;
/** Where no descriptor is free. */
const EXHAUSTED_MS = 100;
/** How often a line says that users are kept out. */
const KEPT_OUT_SAID_MS = 60_000;
/** Another daemon may remove the folder at its end, just before a socket is made there. */
const MOST_TRIES = 10;
/** In place of an inode. */
const NO_FILE = -1;
/** Callers that are refused get words so often at a time. */
const REFUSALS_SAID = 4;
/** An answer whose result ends in a list that is made in pieces: too long for one write. */
export interface ListAnswer {
  readonly ok: true;
  /** All but the list. */
  readonly result: object;
  /** The name of the list there. */
  readonly list: string;
  readonly items: Iterable<unknown>;
}

/** `mayChange`: the request is of root or of the daemon's own user. */
export type ControlHandler = (
  request: ControlRequest,
  mayChange: boolean,
) => ControlAnswer | ListAnswer | Promise<ControlAnswer | ListAnswer>;

/**
 * A daemon's control socket. A file that a killed daemon left behind is taken over; a living one's is not. Every local user may connect, so
 * time and memory have limits: for accepting and reading ({@link LOOK_SHARE}), for answers ({@link FairQueue}), and for each user's part.
 */
export class ControlServer {
  readonly path: string;
  readonly name: string;
  private readonly entrances: Entrance[];
  private readonly inode: number;
  private readonly handler: ControlHandler;
  private readonly http: HttpHandler | undefined;
  private readonly log: (line: string) => void;
  private readonly open: Connection[] = [];
  private readonly streams = new WeakMap<Connection, HttpStream>();
  private readonly admission = new Admission({ fill: (target) => void randomFillSync(target) });
  private readonly hits = new LimitHits();
  private readonly limitLog: LimitLog;
  private readonly flooders = new Flooders((uids) => this.keepOut(uids));
  private readonly masters = new FairQueue(REST);
  private readonly strangers = new FairQueue(STRANGERS_REST);
  /** Of requests over TCP that have shown the token: those without it, of however many hosts, delay none of them. */
  private readonly holders = new FairQueue(STRANGERS_REST);
  private readonly directory: string;
  private readonly removesDirectory: boolean;
  private timer: NodeJS.Timeout | undefined;
  private readonly subordinateUids = new SubordinateUids();
  private readonly lookBudget = new ProcessorBudget(LOOK_SHARE, LOOK_BURST_MS);
  private keptOutSaidAt = -Infinity;
  private closed = false;

  private constructor(
    directory: string,
    name: string,
    removesDirectory: boolean,
    handler: ControlHandler,
    log: (line: string) => void,
    http: HttpHandler | undefined,
  ) {
    this.directory = directory;
    this.removesDirectory = removesDirectory;
    this.name = name;
    this.path = controlPath(directory, name);
    this.handler = handler;
    this.http = http;
    this.log = log;
    this.limitLog = new LimitLog(this.hits, systemClock, (line) => log(`warning: ${line}`));
    this.entrances = [new ControlEntrance(this.path, MODE, this.subordinateUids)];
    this.inode = inodeOf(this.path);
    this.waitForConnections();
  }

  /**
   * Listens as `name`, or resolves to undefined where a living daemon has that name. `log` gets a line for each failure here. `http` answers requests
   * of HTTP; without it they are refused.
   */
  static async listen(
    directory: string,
    name: string,
    handler: ControlHandler,
    log: (line: string) => void = () => {},
    http?: HttpHandler,
  ): Promise<ControlServer | undefined> {
    const path = controlPath(directory, name);
    for (let tries = 1; ; tries++) {
      const removesDirectory = makeControlDirectory(directory) || !isChosen(directory);
      if (await isAlive(path)) return undefined;
      rmSync(path, { force: true });
      try {
        return new ControlServer(directory, name, removesDirectory, handler, log, http);
      } catch (error) {
        const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
        if (!isGone || tries === MOST_TRIES) throw error;
      }
    }
  }

  /** Answers HTTP over TCP, too; returns the port. Throws a SystemCallError. */
  listenTcp(address: Uint8Array, port: number): number {
    const entrance = new TcpEntrance(address, port, this.subordinateUids, this.log);
    this.entrances.push(entrance);
    this.waitForConnections();
    return entrance.port;
  }

  get connectionCount(): number {
    return this.open.length;
  }

  /** Questions, and further pieces of answers, that wait for their turn. */
  get waitingCount(): number {
    return this.masters.waitingCount + this.strangers.waitingCount + this.holders.waitingCount;
  }

  /** Ends, closes all connections, and removes the socket's file; the folder too, unless the user has chosen it. Does not throw. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.flooders.close();
    this.limitLog.close();
    for (const entrance of this.entrances) entrance.close();
    for (const connection of this.open.slice()) connection.close();
    try {
      if (this.hasFile()) rmSync(this.path, { force: true });
    } catch (error) {
      this.log(`warning: cannot remove the control socket: ${messageOf(error)}`);
    }
    if (!this.removesDirectory) return;
    try {
      rmdirSync(this.directory);
    } catch {
      // others still have their sockets in it
    }
  }

  /** One line a minute: the users may be others each time. */
  private keepOut(uids: readonly number[]): void {
    if (!this.hasFile() || !keepOut(this.path, uids) || uids.length === 0) return;
    const now = performance.now();
    if (now - this.keptOutSaidAt < KEPT_OUT_SAID_MS) return;
    this.keptOutSaidAt = now;
    this.log(`warning: the local user ${uids.join(', ')} asks too often: it is kept out for 2 s at a time`);
  }

  /** Whether the file at the path is still the one of this daemon. */
  private hasFile(): boolean {
    return this.inode !== NO_FILE && inodeOf(this.path) === this.inode;
  }

  /** Accepts, reads and writes until nothing is left for now; again after a rest, while connections are open. */
  private look(): void {
    if (this.closed) return;
    clearTimeout(this.timer);
    const begun = threadTimeMs();
    const accepted = this.acceptAll();
    this.limitLog.trigger();
    const now = performance.now();
    let nextMs = accepted === 'some' ? LOOK_MS : IDLE_LOOK_MS;
    for (const connection of this.open.slice()) nextMs = Math.min(nextMs, connection.look(now));
    const restMs = this.lookBudget.spend(threadTimeMs() - begun, performance.now());
    if (accepted === 'none') this.waitForConnections();
    if (accepted === 'none' && this.open.length === 0) return;
    const rest = accepted === 'exhausted' ? EXHAUSTED_MS : nextMs;
    this.timer = setTimeout(() => this.look(), Math.max(rest, restMs));
  }

  private waitForConnections(): void {
    for (const entrance of this.entrances) entrance.wait(() => this.look());
  }

  private acceptAll(): 'none' | 'some' | 'exhausted' {
    const accepted = this.entrances.map((entrance) => this.acceptFrom(entrance, performance.now()));
    if (accepted.includes('exhausted')) return 'exhausted';
    return accepted.includes('some') ? 'some' : 'none';
  }

  private acceptFrom(entrance: Entrance, begun: number): 'none' | 'some' | 'exhausted' {
    let refused = 0;
    for (let count = 0; ; count++) {
      const newcomer = entrance.accept(begun);
      if (newcomer === 'exhausted') return newcomer;
      if (newcomer === 'none') return count === 0 ? 'none' : 'some';
      if (
        this.admission.admits(newcomer, begun) &&
        this.makeRoom(newcomer.isControl ? 'control' : 'tcp', newcomer)
      )
        this.takeIn(newcomer);
      else {
        entrance.refuse(newcomer, refused++ < REFUSALS_SAID, begun);
        this.noteRefusal(newcomer, begun);
      }
      if (performance.now() - begun > ACCEPT_MS) return 'some';
    }
  }

  private takeIn(newcomer: Newcomer): void {
    const connection: Connection = new Connection(newcomer, {
      line: (line) => this.answer(connection, line),
      head: (head) => this.answerHttp(connection, head),
      closed: () => this.forget(connection),
    });
    this.open.push(connection);
  }

  private noteRefusal({ ownUid, isControl }: Newcomer, now: number): void {
    if (isControl) this.flooders.note(ownUid, now);
    if (ownUid >= 0) this.hits.uid('control-socket', ownUid);
    else this.hits.others('control-socket', 1);
  }

  /** A user that keeps connections open loses one: it hides no daemon from others. */
  private makeRoom(places: Places, newcomer: Caller): boolean {
    const open = this.open.filter((one) => one.places === places);
    if (open.length < MAX_CONNECTIONS) return true;
    const found = open[givesWay(open, newcomer)];
    if (found === undefined) return false;
    // Its question may have come, and is not read yet: with the token it has a place of its own.
    if (places === 'tcp') found.readNow();
    if (found.places === places) found.close();
    return true;
  }

  /** Hosts without the token take no place of one with it. */
  private giveOwnPlace(connection: Connection): void {
    if (this.makeRoom('token', connection)) connection.places = 'token';
  }

  private forget(connection: Connection): void {
    this.streams.get(connection)?.destroy();
    this.open.splice(this.open.indexOf(connection), 1);
    this.queueOf(connection).leave(connection);
  }

  private queueOf(connection: Connection): FairQueue {
    if (connection.isMaster) return this.masters;
    return connection.places === 'token' ? this.holders : this.strangers;
  }

  private answer(connection: Connection, line: string): void {
    this.reply(connection, parseRequest(line))
      .catch((error: unknown) => this.log(`control socket: ${messageOf(error)}`))
      .finally(() => connection.close());
  }

  private async reply(connection: Connection, request: ControlRequest | undefined): Promise<void> {
    const turns = this.queueOf(connection);
    const answer = await turns.take(connection, () => this.answerTo(request, connection.isMaster));
    if (answer === undefined) return;
    if (!('items' in answer)) {
      await connection.send(`${JSON.stringify(answer)}\n`);
      return;
    }
    const { ok, result, list, items } = answer;
    const [before, after] = aroundList(result, list);
    await connection.send(`{"ok":${ok},"result":${before}`);
    const text = new ListText(items);
    for (;;) {
      if (connection.isClosed) return;
      const piece = await turns.take(connection, () => text.next());
      if (piece === undefined) break;
      await connection.send(piece);
    }
    await connection.send(`${after}}\n`);
  }

  private answerHttp(connection: Connection, head: Uint8Array): void {
    if (this.http === undefined) {
      connection.close();
      return;
    }
    const { http } = this;
    if (!connection.isControl && http.showsToken?.(head) === true) this.giveOwnPlace(connection);
    const turns = new HttpTurns(this.queueOf(connection), connection);
    void turns.begin(() => {
      const stream = new HttpStream(connection, head);
      this.streams.set(connection, stream);
      http(stream, {
        isMaster: connection.isMaster,
        user: connection.uid,
        isRemote: !connection.isControl,
        turn: (work) => turns.take(work),
        endless: () => connection.beEndless(),
      });
    });
  }

  private answerTo(request: ControlRequest | undefined, mayChange: boolean): ReturnType<ControlHandler> {
    if (request === undefined)
      return { ok: false, code: 'bad-request', message: 'not a request of this protocol' };
    try {
      return this.handler(request, mayChange);
    } catch (error) {
      this.log(`control socket: cannot answer "${request.command}": ${messageOf(error)}`);
      return {
        ok: false,
        code: 'internal',
        message: `the daemon failed to answer: ${messageOf(error)}`,
      };
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** {@link NO_FILE} where there is none, or it cannot be looked at. */
function inodeOf(path: string): number {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.ino ?? NO_FILE;
  } catch {
    return NO_FILE; // EACCES, EIO, a folder on the way that is none any more
  }
}
