import { ControlServer } from '../../control/control-server.ts';
import type { ControlHandler, ListAnswer } from '../../control/control-server.ts';
import { controlDirectory, whyElsewhere } from '../../control/control-path.ts';
import type { ControlAnswer } from '../../control/control-protocol.ts';
import { networkNamespace } from '../../control/network-namespace.ts';
import type {
  ContactStatus,
  DaemonStatus,
  PeerStatus,
  PeersStatus,
  RoleStatus,
} from '../../control/status.ts';
import { within } from '../../io/deadline.ts';
import { endProcess } from '../../io/end-process.ts';
import { EnvironmentError } from '../../io/errors.ts';
import { LogLines } from '../../io/log-lines.ts';
import { feedWatchdog, notifySystemd } from '../../io/systemd.ts';
import { isLoopback, isPrivate } from '../../core/address-policy.ts';
import { formatIpv4, parseIpv6 } from '../../wire/index.ts';
import type { Ipv4, Ipv6 } from '../../wire/index.ts';
import type { DataPath } from '../../runtime/data-path-use.ts';
import { dataPathInWords } from '../data-path.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';

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
const STDERR = 2;
const log = new LogLines(STDERR);
/** How many names are tried when a daemon has none of its own. */
const MAX_AUTOMATIC_NAMES = 1_000;
/** How many peers are shown to who does not say. */
const DEFAULT_PEERS = 1_000;

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

/** A line for the log: stderr, which systemd puts into the journal. */
export function say(message: string): void {
  log.write(message);
}

/** Says at the start why the kernel does not do the work, or which rules of the host could not be read. */
export function sayWhyNotKernel(dataPath: DataPath): void {
  if (dataPathInWords(dataPath) !== dataPath.kind) say(`data path: ${dataPathInWords(dataPath)}`);
}

export const ANNOUNCE_HELP =
  'public IPv4 address by which clients reach --address, where a 1:1 NAT translates one to the other (default: --address)';

/** A server's or relay's address has to be one that clients elsewhere can send to: the warning where it is not. C-9 */
export function noticesOfReach({
  address,
  announce,
  allowPrivate,
}: {
  readonly address: Ipv4;
  readonly announce?: Ipv4;
  readonly allowPrivate?: boolean;
}): string[] {
  const reached = announce ?? address;
  const text = formatIpv4(reached);
  if (isLoopback(reached)) return [`warning: ${text} is a loopback address: no client will ever reach it`];
  if (!isPrivate(reached) || allowPrivate === true) return [];
  return [
    `warning: ${text} is a private address, which no client elsewhere can reach: behind a 1:1 NAT give the public one with ` +
      '--announce, in a closed network --allow-private',
  ];
}

/** What to do where an address is none of this host's: it may be the one outside a NAT. */
const NOT_LOCAL_HELP = {
  announce:
    'where a 1:1 NAT translates it to one of these, give that one with --address and this one with --announce',
  'leave-out': 'leave --address out: it is not needed, behind a NAT either',
} as const;

/** Adds to a failed start what helps where the address given is none of this host's. `help`: `announce` for roles with that option. */
export async function explainNotLocal(
  start: Promise<void>,
  help: keyof typeof NOT_LOCAL_HELP,
): Promise<void> {
  try {
    await start;
  } catch (error) {
    if (!(error instanceof EnvironmentError) || error.code !== 'not-local') throw error;
    throw new EnvironmentError(error.code, `${error.message}; ${NOT_LOCAL_HELP[help]}`, error);
  }
}

async function openControl(kind: string, name: string | undefined, role: Role): Promise<ControlServer> {
  const directory = controlDirectory();
  try {
    if (name !== undefined) {
      const control = await ControlServer.listen(directory, name, handlerOf(name, role), say);
      if (control !== undefined) return control;
      throw new CommandFailure(
        EXIT.FAILED,
        `a teredo daemon named "${name}" is running already: choose another --name`,
      );
    }
    for (let count = 1; count <= MAX_AUTOMATIC_NAMES; count++) {
      const automatic = count === 1 ? kind : `${kind}-${count}`;
      const control = await ControlServer.listen(directory, automatic, handlerOf(automatic, role), say);
      if (control !== undefined) return control;
    }
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandFailure(
      code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? EXIT.NOT_PERMITTED : EXIT.FAILED,
      `cannot open a control socket in ${directory}: ${message}; TEREDO_RUNTIME_DIR names another folder`,
    );
  }
  throw new CommandFailure(
    EXIT.FAILED,
    `too many daemons of kind ${kind} are running: give this one a --name`,
  );
}

function handlerOf(name: string, role: Role): ControlHandler {
  return (request): ControlAnswer | ListAnswer => {
    switch (request.command) {
      case 'status':
        return { ok: true, result: role.status(name) };
      case 'peers':
        if (role.peers === undefined)
          return { ok: false, code: 'no-peers', message: `${name} keeps no peers` };
        return peersAnswer(name, role.peers(request.limit ?? DEFAULT_PEERS));
      case 'contact': {
        const address = parseIpv6(request.address ?? '');
        if (address === undefined)
          return { ok: false, code: 'bad-request', message: 'that is no IPv6 address' };
        if (role.contact === undefined)
          return { ok: false, code: 'no-client', message: `${name} is no client` };
        return { ok: true, result: role.contact(name, address) };
      }
    }
  };
}

function peersAnswer(
  name: string,
  { total, shown }: { readonly total: number; readonly shown: Iterable<PeerStatus> },
): ListAnswer {
  const result: Omit<PeersStatus, 'peers'> = {
    version: 1,
    name,
    networkNamespace: networkNamespace(),
    total,
  };
  return { ok: true, result, list: 'peers', items: shown };
}

const started = performance.now();

/** What every role's status begins with. */
export function commonStatus(name: string): Omit<DaemonStatus, 'counters'> {
  return {
    version: 1,
    name,
    pid: process.pid,
    uptimeSeconds: Math.round((performance.now() - started) / 100) / 10,
    networkNamespace: networkNamespace(),
  };
}
