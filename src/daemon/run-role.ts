import { whyElsewhere } from '../control/control-path.ts';
import type { PeerOrder, RankedPeer } from '../control/peer-order.ts';
import type { Answerer, ContactStatus, PeerStatus, RoleStatus, UsersStatus } from '../control/status.ts';
import type { PeerMeans } from '../core/client/index.ts';
import type { UserWindow } from '../core/users/index.ts';
import { within } from '../io/deadline.ts';
import { endProcess } from '../io/end-process.ts';
import { feedWatchdog } from '../io/systemd.ts';
import type { Ipv6 } from '../wire/index.ts';
import { waitInPlace } from '../io/in-place.ts';
import { compileAtOnce } from './compile-at-once.ts';
import { EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { openControl } from './control-answers.ts';
import { listen, rulesOf, tokenOf } from './http/listen.ts';
import type { HttpOptions } from './http/listen.ts';
import { identify, say, sayText } from './log.ts';
import { hasTerminal } from './reload.ts';
import type { Changeable, Reload } from './reload.ts';
import { readinessOf } from './readiness.ts';
import { rehearseControl } from './rehearse-control.ts';
import { ServiceNotices } from './service-notices.ts';

/** A role that runs in the foreground until a signal or an error ends it. */
export interface Role {
  /** Opens everything; rejects with the reason if it cannot. */
  start(): Promise<void>;
  /** `isShort`: without the users that a relay would have to ask the kernel for. */
  status(name: string, isShort?: boolean): RoleStatus;
  /** The peers now; the status of each is made when it is taken. Undefined: the next step. */
  peers?(limit: number): { readonly total: number; readonly shown: Iterable<PeerStatus | undefined> };
  /** All peers, as far as their places in the order depend on it; undefined: the next step. */
  rankedPeers?(order: PeerOrder): Iterable<RankedPeer | undefined>;
  /** Asks threads of the role for what {@link peers} and {@link rankedPeers}, or {@link users} of a window, then answer. Rejects if one is silent. */
  gather?(what: 'peers' | UserWindow): Promise<void>;
  /** The users with the most traffic: at most `limit` clients, and as many prefixes. */
  users?(window: UserWindow, limit: number): Omit<UsersStatus, keyof Answerer>;
  /** Of a client: how its peers are reached, one by one; undefined of those that are not. */
  means?(): Iterable<PeerMeans | undefined>;
  /** See {@link Changeable}. */
  prepare: Changeable['prepare'];
  /** Progress of the search for a way to this address. */
  contact?(name: string, address: Ipv6): ContactStatus;
  /** Of a relay: withdraws its announcement; false if it could not. Never rejects. */
  drain?(): Promise<boolean>;
  /** Work between the signal to end and the end; a second signal cuts it short. */
  beforeEnd?(): Promise<void>;
  close(): Promise<void>;
}

export interface RunningRole {
  /** Ends the role with this exit status; a message goes to stderr. */
  readonly end: (exitCode: ExitCode, message?: string) => void;
  /** The state that its status shows in words may have changed. */
  readonly changed: () => void;
}

/** Options of the process, not of the role. */
export interface OwnOptions extends HttpOptions {
  readonly name?: string | undefined;
}

/** A role ends within 5 s after a signal: the first is for its own end, the second for all else that keeps the process alive. */
const [CLOSE_MS, LINGER_MS] = [4_500, 250];

/**
 * Runs a role: control socket, readiness, signals, clean end. Resolves with the exit status when the role has ended.
 * `make` gets a way to end it from inside; `notices` are said once it runs: a start that fails prints its error only.
 */
export async function runRole(
  kind: RoleStatus['role'],
  { name, ...http }: OwnOptions,
  make: (running: RunningRole) => Role,
  notices: readonly string[] = [],
  reload?: Reload,
): Promise<ExitCode> {
  compileAtOnce();
  waitInPlace();
  const rules = rulesOf(http);
  let end!: (exitCode: ExitCode, message?: string) => void;
  const ended = new Promise<ExitCode>((resolve) => {
    end = (exitCode, message) => {
      if (message !== undefined) say(exitCode === EXIT.OK ? 'notice' : 'failed', message);
      resolve(exitCode);
    };
  });
  const stop = (signal: NodeJS.Signals): void => {
    say('stopping', `stopping: ${signal}`, { signal });
    const finish = (): void => end(signal === 'SIGINT' ? EXIT.INTERRUPTED : EXIT.OK);
    if (signal !== 'SIGTERM' || !isRunning || isEnding || role.beforeEnd === undefined) return finish();
    isEnding = true;
    void role.beforeEnd().then(finish, (error: unknown) => {
      sayAtEnd(error);
      finish();
    });
  };
  let [isRunning, isEnding] = [false, false];
  const signals = ['SIGTERM', 'SIGINT'] as const;
  for (const signal of signals) process.on(signal, stop);
  const service = new ServiceNotices(() => readinessOf(role.status(control.name, true)));
  const role = make({ end, changed: () => service.changed() });
  // Either the terminal has gone that the role ran in, or a service manager asks for a reload.
  const hangUp =
    reload === undefined || hasTerminal() ? stop : () => void reload.reload(role).catch(() => {});
  process.on('SIGHUP', hangUp);
  reload?.add(tokenOf(http, rules));
  let stopFeeding = (): void => {};
  const control = await openControl(kind, name, role, reload, rules);
  identify(kind, control.name);
  try {
    const url = await listen(control, http);
    await rehearseControl(control.path);
    const isEnded = await Promise.race([role.start().then(() => false), ended.then(() => true)]);
    if (isEnded) return await ended; // without waiting for the start
    isRunning = true;
    for (const notice of notices) sayText(notice);
    const elsewhere = whyElsewhere();
    if (elsewhere !== undefined) say('warning', `${elsewhere}: the control socket is ${control.path}`);
    if (url !== undefined) say('listening', `HTTP is answered at ${url}`, { url });
    say('running', `teredo ${kind} "${control.name}" is running (pid ${process.pid})`);
    service.begin();
    stopFeeding = feedWatchdog();
    return await ended;
  } finally {
    stopFeeding();
    service.close();
    try {
      control.close();
    } catch (error) {
      sayAtEnd(error);
    }
    if (!(await within(CLOSE_MS, closed(role), false)))
      say('warning', `the ${kind} has not ended in ${CLOSE_MS / 1_000} s: the process ends without it`);
    for (const signal of signals) process.off(signal, stop);
    process.off('SIGHUP', hangUp);
    // Look-ups of names and connections may keep the process alive: nothing here can wait for them.
    setTimeout(() => endProcess(Number(process.exitCode ?? EXIT.FAILED)), LINGER_MS).unref();
  }
}

/** An error at the end is logged; the role counts as ended. */
async function closed(role: Role): Promise<boolean> {
  try {
    await role.close();
  } catch (error) {
    sayAtEnd(error);
  }
  return true;
}

function sayAtEnd(error: unknown): void {
  say('warning', `at the end: ${(error as Error).message}`);
}
