import { controlDirectory } from '../control/control-path.ts';
import type { ControlAnswer, ControlRequest } from '../control/control-protocol.ts';
import { ControlServer } from '../control/control-server.ts';
import type { ControlHandler, ListAnswer } from '../control/control-server.ts';
import { networkNamespace } from '../control/network-namespace.ts';
import type {
  DaemonStatus,
  PeerStatus,
  PeersStatus,
  ReloadStatus,
  RoleStatus,
  UsersStatus,
} from '../control/status.ts';
import type { UserWindow } from '../core/users/index.ts';
import { parseIpv6 } from '../wire/index.ts';
import { SettingsError } from '../runtime/settings/settings-error.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { lazyHttp } from './http/lazy-http.ts';
import { NO_TOKEN } from './http/rules.ts';
import type { HttpRules } from './http/rules.ts';
import type { HttpSource } from './http/source.ts';
import type { ExitCode } from './exit-codes.ts';
import { sayText } from './log.ts';
import type { Reload, Reloaded } from './reload.ts';
import type { Role } from './run-role.ts';

/** How many names are tried when a daemon has none of its own. */
const MAX_AUTOMATIC_NAMES = 1_000;
/** How many peers an answer shows when the question gives no number. */
const DEFAULT_PEERS = 1_000;
/** How many users. */
const DEFAULT_USERS = 10;

/**
 * Opens the control socket of a role, under `name` or under the first free one of KIND, KIND-2, KIND-3 ... Throws a CommandFailure where there
 * can be none.
 */
export async function openControl(
  kind: RoleStatus['role'],
  name: string | undefined,
  role: Role,
  reload?: Reload,
  rules: HttpRules = NO_TOKEN,
): Promise<ControlServer> {
  const directory = controlDirectory();
  const listen = (as: string): Promise<ControlServer | undefined> => {
    const http = lazyHttp(httpSource(kind, as, role, reload), rules);
    return ControlServer.listen(directory, as, handlerOf(as, role, reload), sayText, http);
  };
  try {
    if (name !== undefined) {
      const control = await listen(name);
      if (control !== undefined) return control;
      throw new CommandFailure(
        EXIT.FAILED,
        `a teredo daemon named "${name}" is running already: choose another --name`,
      );
    }
    for (let count = 1; count <= MAX_AUTOMATIC_NAMES; count++) {
      const automatic = count === 1 ? kind : `${kind}-${count}`;
      const control = await listen(automatic);
      if (control !== undefined) return control;
    }
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandFailure(
      code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? EXIT.NOT_PERMITTED : EXIT.FAILED,
      `cannot open a control socket in ${directory}: ${message}; TEREDO_RUNTIME_DIR names another folder${code === 'EROFS' ? ', and --tmpfs /run gives a container a writable one' : ''}`,
    );
  }
  throw new CommandFailure(
    EXIT.FAILED,
    `too many daemons of kind ${kind} are running: give this one a --name`,
  );
}

function httpSource(kind: RoleStatus['role'], name: string, role: Role, reload?: Reload): HttpSource {
  return {
    name,
    role: kind,
    status: () => statusOf(name, role, reload),
    peers: (limit) => (role.peers === undefined ? undefined : peersAnswer(name, role.peers(limit))),
    rankedPeers: role.rankedPeers === undefined ? undefined : (order) => role.rankedPeers!(order),
    ...(role.gather === undefined ? {} : { gather: (what) => role.gather!(what) }),
    users: (window, limit) => usersOf(name, role, window, limit),
    means: role.means === undefined ? undefined : () => role.means!(),
    log: sayText,
  };
}

function handlerOf(name: string, role: Role, reload?: Reload): ControlHandler {
  return (request, mayChange) => {
    switch (request.command) {
      case 'status':
        return { ok: true, result: statusOf(name, role, reload) };
      case 'peers':
        if (role.peers === undefined)
          return { ok: false, code: 'no-peers', message: `${name} keeps no peers` };
        return gathered(role, 'peers', () => peersAnswer(name, role.peers!(request.limit ?? DEFAULT_PEERS)));
      case 'users':
        return gathered(role, request.window ?? 'minute', () => usersAnswer(name, role, request));
      case 'drain':
        if (role.drain === undefined)
          return {
            ok: false,
            code: 'no-relay',
            message: `${name} is no relay: only a relay has an announcement`,
          };
        if (!mayChange) return notPermitted('drain', name);
        return drainAnswer(name, role.drain(), () => statusOf(name, role, reload));
      case 'contact': {
        const address = parseIpv6(request.address ?? '');
        if (address === undefined)
          return { ok: false, code: 'bad-request', message: 'that is no IPv6 address' };
        if (role.contact === undefined)
          return { ok: false, code: 'no-client', message: `${name} is no client` };
        return { ok: true, result: role.contact(name, address) };
      }
      case 'reload':
        if (!mayChange) return notPermitted('reload', name);
        if (reload === undefined)
          return { ok: false, code: 'no-file', message: `${name} was not started from a configuration file` };
        return reloadAnswer(name, reload.reload(role));
    }
  };
}

/** The answer, once the role's threads have told their part of it. */
function gathered<T extends ControlAnswer | ListAnswer>(
  role: Role,
  what: 'peers' | UserWindow,
  answer: () => T,
): T | Promise<ControlAnswer | T> {
  if (role.gather === undefined) return answer();
  return role.gather(what).then(answer, (error: unknown) => ({
    ok: false,
    code: 'failed',
    message: (error as Error).message,
  }));
}

function statusOf(name: string, role: Role, reload?: Reload): RoleStatus {
  const status = role.status(name);
  return reload === undefined ? status : { ...status, file: reload.file, configuration: reload.status() };
}

async function drainAnswer(
  name: string,
  draining: Promise<boolean>,
  status: () => RoleStatus,
): Promise<ControlAnswer> {
  if (await draining) return { ok: true, result: status() };
  return {
    ok: false,
    code: 'not-withdrawn',
    message: `${name} could not withdraw 2001::/32 and still announces it: its log has the reason, and it tries again`,
  };
}

async function reloadAnswer(name: string, reloading: Promise<Reloaded>): Promise<ControlAnswer> {
  try {
    const result: ReloadStatus = {
      version: 1,
      name,
      networkNamespace: networkNamespace(),
      ...(await reloading),
    };
    return { ok: true, result };
  } catch (error) {
    const details = error instanceof CommandFailure ? error.details : [];
    return { ok: false, code: reasonCode(error), message: (error as Error).message, details };
  }
}

/** Why a reload has failed, for the exit status of the command. */
function reasonCode(error: unknown): string {
  if (error instanceof SettingsError) return 'bad-configuration';
  if (!(error instanceof CommandFailure)) return 'failed';
  return REASON_CODES[error.exitCode] ?? 'failed';
}

const REASON_CODES: Partial<Record<ExitCode, string>> = {
  [EXIT.USAGE]: 'bad-configuration',
  [EXIT.NOT_PERMITTED]: 'not-permitted',
  [EXIT.TIMED_OUT]: 'timed-out',
};

function notPermitted(deed: string, name: string): ControlAnswer {
  return {
    ok: false,
    code: 'not-permitted',
    message: `not permitted: ${deed} ${name} as its user or as root`,
  };
}

function peersAnswer(
  name: string,
  { total, shown }: { readonly total: number; readonly shown: Iterable<PeerStatus | undefined> },
): ListAnswer {
  const result: Omit<PeersStatus, 'peers'> = {
    version: 1,
    name,
    networkNamespace: networkNamespace(),
    total,
  };
  return { ok: true, result, list: 'peers', items: shown };
}

function usersOf(name: string, role: Role, window: UserWindow, limit: number): UsersStatus | undefined {
  if (role.users === undefined) return undefined;
  return { version: 1, name, networkNamespace: networkNamespace(), ...role.users(window, limit) };
}

function usersAnswer(
  name: string,
  role: Role,
  { window = 'minute', limit = DEFAULT_USERS }: ControlRequest,
): ControlAnswer {
  const result = usersOf(name, role, window, limit);
  if (result !== undefined) return { ok: true, result };
  return { ok: false, code: 'no-relay', message: `${name} is no relay: only a relay knows its users` };
}

const started = performance.now();

/** In tenths, for a status. `at`: by the clock of `performance`. */
export function secondsSince(at: number): number {
  return Math.round((performance.now() - at) / 100) / 10;
}

/** The first fields of every role's status. */
export function commonStatus(name: string): Omit<DaemonStatus, 'counters' | 'limitsReached'> {
  return {
    version: 1,
    name,
    pid: process.pid,
    uptimeSeconds: secondsSince(started),
    networkNamespace: networkNamespace(),
  };
}
