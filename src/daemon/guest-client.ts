import type { ControlServer } from '../control/control-server.ts';
import type { ServerCandidate } from '../core/client/index.ts';
import { guestPorts } from '../io/guest/guest-ports.ts';
import type { Guest } from '../io/guest/guest.ts';
import { resolveServers } from '../runtime/servers.ts';
import type { KnownAddresses } from '../runtime/servers.ts';
import type { GUEST_OPTIONS } from '../runtime/settings/guest-options.ts';
import type { Values } from '../runtime/settings/option.ts';
import type { Ipv4 } from '../wire/index.ts';
import { ClientRole } from './client-role.ts';
import { compileAtOnce } from './compile-at-once.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { announce, say, sayText } from './log.ts';
import { readinessOf } from './readiness.ts';
import { clientSettingsOf } from './run-client.ts';
import type { ClientValues } from './run-client.ts';
import type { OwnOptions, RunningRole } from './run-role.ts';

export type GuestValues = Values<typeof GUEST_OPTIONS>;

/** The IPv4 address that the NAT gives the client now, if it is known. */
export type MappedAddress = () => Ipv4 | undefined;

/** Makes the client of a guest that is being made meanwhile. */
export type ClientMaker = (making: Promise<Guest>, running: RunningRole) => ClientRole;

/** All names are looked up before. */
export async function clientMaker(values: GuestValues): Promise<ClientMaker> {
  const notices: string[] = [];
  const known: KnownAddresses = new Map();
  const whole: ClientValues = {
    ...values,
    defaultRoute: 'always',
    dataPath: 'user',
    xdp: 'off',
    merge: 'off',
    workers: 1,
    onlyWithoutIpv6: undefined,
  };
  const settings = await clientSettingsOf(whole, notices, known);
  const resolve = (): Promise<ServerCandidate[]> =>
    resolveServers(values.servers, values.secondary, () => {}, known);
  return (making, running) => {
    for (const notice of notices) sayText(notice);
    return new ClientRole({ ...settings, isGuest: true }, resolve, guestPorts(making), running);
  };
}

/**
 * Starts a client, and calls `run` with its address once it is qualified. Resolves with the result of `run`, or with that of `ended` if this comes first.
 * Rejects with the reason when the client cannot be qualified, or fails.
 */
export async function whileQualified<End extends object>(
  own: OwnOptions,
  make: (running: RunningRole) => ClientRole,
  ended: Promise<End>,
  run: (address: string | undefined, mapped: MappedAddress) => Promise<End>,
): Promise<End> {
  compileAtOnce();
  let changed = (): void => {};
  let fail!: (error: Error) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  for (const outcome of [failed, ended]) outcome.catch(() => {}); // they may come before they are awaited
  const role = make({
    changed: () => changed(),
    end: (exitCode, message = 'the client has ended') => fail(new CommandFailure(exitCode, message)),
  });
  let control: ControlServer | undefined;
  try {
    const starting = role.start(); // the gateway and the guest take their time
    starting.catch(() => {});
    control = await controlOf(own, role);
    const ownName = control?.name ?? 'client';
    await starting;
    const qualified = new Promise<undefined>((resolve, reject) => {
      changed = () => {
        const status = role.status(ownName);
        const { isReady, words } = readinessOf(status);
        if (isReady) resolve(undefined);
        else if (status.state === 'offline') reject(new CommandFailure(EXIT.FAILED, words));
      };
      changed();
    });
    const early = await Promise.race([qualified, failed, ended]);
    return (
      early ?? (await Promise.race([run(role.status(ownName).address, () => role.mappedAddress), failed]))
    );
  } finally {
    control?.close();
    await role.close();
  }
}

/** In words, for people: programs that listen can be reached. */
export function reachIn(inbound: GuestValues['inbound']): string {
  return inbound === 'refuse'
    ? 'incoming connections are refused'
    : 'programs that listen are reachable from the whole IPv6 Internet (--inbound refuse closes that)';
}

/** `teredo status` is of use, but not needed. A name that the user has given must be free, and HTTP that the user wants has to work. */
async function controlOf(own: OwnOptions, role: ClientRole): Promise<ControlServer | undefined> {
  const { openControl } = await import('./control-answers.ts');
  const { listen, rulesOf } = await import('./http/listen.ts');
  const rules = rulesOf(own);
  let control: ControlServer | undefined;
  try {
    control = await openControl('client', own.name, role, undefined, rules);
    const url = await listen(control, own);
    if (url !== undefined) announce('listening', `HTTP is answered at ${url}`, { url });
    return control;
  } catch (error) {
    control?.close();
    if (own.name !== undefined || own.listen !== undefined || !(error instanceof CommandFailure)) throw error;
    say('notice', `"teredo status" will not show this client: ${error.message}`);
    return undefined;
  }
}
