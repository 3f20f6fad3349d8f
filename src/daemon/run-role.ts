import { whyElsewhere } from '../control/control-path.ts';
import type { ContactStatus, PeerStatus, RoleStatus } from '../control/status.ts';
import { within } from '../io/deadline.ts';
import { endProcess } from '../io/end-process.ts';
import { feedWatchdog, notifySystemd } from '../io/systemd.ts';
import type { Ipv6 } from '../wire/index.ts';
import { EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { openControl } from './control-answers.ts';
import { say } from './log.ts';

/** A role that runs in the foreground until it is told to stop. */
export interface Role {
  /** Opens everything; rejects with what stands in the way. */
  start(): Promise<void>;
  status(name: string): RoleStatus;
  /** The peers now; what is told of each is made when it is taken. */
  peers?(limit: number): { readonly total: number; readonly shown: Iterable<PeerStatus> };
  /** How far the search for a way to this address has come. */
  contact?(name: string, address: Ipv6): ContactStatus;
  close(): Promise<void>;
}

export interface RunningRole {
  /** Ends the role with this exit status; a message goes to stderr. */
  readonly end: (exitCode: ExitCode, message?: string) => void;
}

/** A role has ended within 5 s after a signal: so long its end may take, and after that what still keeps the process from ending. */
const [CLOSE_MS, LINGER_MS] = [4_500, 250];

/**
 * Runs a role: control socket, readiness, signals, clean end. Resolves with the exit status when the role has ended.
 * `make` gets a way to end it from inside; `notices` are said once it runs: a start that fails has its error to say, and no more.
 */
export async function runRole(
  kind: RoleStatus['role'],
  name: string | undefined,
  make: (running: RunningRole) => Role,
  notices: readonly string[] = [],
): Promise<ExitCode> {
  let end!: (exitCode: ExitCode, message?: string) => void;
  const ended = new Promise<ExitCode>((resolve) => {
    end = (exitCode, message) => {
      if (message !== undefined) say(message);
      resolve(exitCode);
    };
  });
  const stop = (signal: NodeJS.Signals): void => end(signal === 'SIGINT' ? EXIT.INTERRUPTED : EXIT.OK);
  // SIGHUP: the terminal it ran in has gone.
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  const role = make({ end });
  let stopFeeding = (): void => {};
  const control = await openControl(kind, name, role);
  try {
    const isEnded = await Promise.race([role.start().then(() => false), ended.then(() => true)]);
    if (isEnded) return await ended; // whatever the start waits for
    for (const notice of notices) say(notice);
    const elsewhere = whyElsewhere();
    if (elsewhere !== undefined) say(`warning: ${elsewhere}: the control socket is ${control.path}`);
    say(`teredo ${kind} "${control.name}" is running (pid ${process.pid})`);
    notifySystemd('READY=1');
    stopFeeding = feedWatchdog();
    return await ended;
  } finally {
    stopFeeding();
    notifySystemd('STOPPING=1');
    try {
      control.close();
    } catch (error) {
      sayAtEnd(error);
    }
    if (!(await within(CLOSE_MS, closed(role), false)))
      say(`the ${kind} has not ended in ${CLOSE_MS / 1_000} s: the process ends without it`);
    for (const signal of signals) process.off(signal, stop);
    // Names that are being looked up, and connections: nothing of it can be waited for.
    setTimeout(() => endProcess(Number(process.exitCode ?? EXIT.FAILED)), LINGER_MS).unref();
  }
}

/** What stands in the way of the end is said, and then it ends. */
async function closed(role: Role): Promise<boolean> {
  try {
    await role.close();
  } catch (error) {
    sayAtEnd(error);
  }
  return true;
}

function sayAtEnd(error: unknown): void {
  say(`warning: at the end: ${(error as Error).message}`);
}
