import type { ServerCandidate } from '../core/client/index.ts';
import { guestPorts } from '../io/guest/guest-ports.ts';
import { Guest } from '../io/guest/guest.ts';
import type { Exit } from '../io/guest/guest.ts';
import type { ControlServer } from '../control/control-server.ts';
import { GuestIpv4 } from '../io/guest/ipv4.ts';
import { GuestResolver } from '../io/guest/resolver.ts';
import { resolveServers } from '../runtime/servers.ts';
import type { KnownAddresses } from '../runtime/servers.ts';
import type { GUEST_OPTIONS } from '../runtime/settings/guest-options.ts';
import type { Values } from '../runtime/settings/option.ts';
import { ClientRole } from './client-role.ts';
import { openControl } from './control-answers.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { openLog, say, sayText } from './log.ts';
import { ownProgram } from './own-program.ts';
import { readinessOf } from './readiness.ts';
import { clientSettingsOf } from './run-client.ts';
import type { ClientValues } from './run-client.ts';
import type { RunningRole } from './run-role.ts';

export type GuestValues = Values<typeof GUEST_OPTIONS>;

/** Signals that are passed on to the program. Those of the terminal reach it by themselves. */
const PASSED_ON = ['SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;
const OF_TERMINAL = ['SIGINT', 'SIGQUIT', 'SIGHUP'] as const;

/** Runs a program that has IPv6 through Teredo; resolves with its end. */
export async function runExec(values: GuestValues, words: readonly string[]): Promise<Exit> {
  await openLog(values);
  const making = Guest.make(ownProgram('guest-agent'), words);
  making.catch(() => {}); // it is awaited below, after the look-ups
  const make = await clientMaker(values);
  const guest = await making;
  const resolver = new GuestResolver(guest);
  const giving = GuestIpv4.start(guest);
  try {
    const run = async (role: ClientRole, name: string): Promise<Exit> => {
      say('warning', stateOf(role.status(name).address, values.inbound, (await giving)?.program));
      return await guest.run();
    };
    return await whileQualified(values.name, (running) => make(guest, running), guest, run);
  } finally {
    resolver.close();
    guest.close();
    (await giving)?.close();
  }
}

function stateOf(address: string | undefined, inbound: string, ipv4: string | undefined): string {
  const reach =
    inbound === 'refuse'
      ? 'incoming connections are refused'
      : 'programs that listen are reachable from the whole IPv6 Internet (--inbound refuse closes that)';
  const other =
    ipv4 === undefined ? 'no IPv4, which slirp4netns or passt would give when installed' : `IPv4 by ${ipv4}`;
  return `IPv6 address ${address}: ${reach}; ${other}`;
}

/** A function that makes the client of a guest. All names are looked up before. */
async function clientMaker(values: GuestValues): Promise<(guest: Guest, running: RunningRole) => ClientRole> {
  const notices: string[] = [];
  const known: KnownAddresses = new Map();
  const whole: ClientValues = {
    ...values,
    defaultRoute: 'always',
    dataPath: 'user',
    onlyWithoutIpv6: undefined,
  };
  const settings = await clientSettingsOf(whole, notices, known);
  const resolve = (): Promise<ServerCandidate[]> =>
    resolveServers(values.servers, values.secondary, () => {}, known);
  return (guest, running) => {
    for (const notice of notices) sayText(notice);
    return new ClientRole(settings, resolve, guestPorts(guest), running);
  };
}

/** Starts a client, and calls `run` once it is qualified. Rejects with the reason when it cannot be, or when the client fails. */
async function whileQualified(
  name: string | undefined,
  make: (running: RunningRole) => ClientRole,
  guest: Guest,
  run: (role: ClientRole, name: string) => Promise<Exit>,
): Promise<Exit> {
  let changed = (): void => {};
  let fail!: (error: Error) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => {});
  const role = make({
    changed: () => changed(),
    end: (exitCode, message = 'the client has ended') => fail(new CommandFailure(exitCode, message)),
  });
  const control = await controlOf(name, role);
  const ownName = control?.name ?? 'client';
  for (const signal of PASSED_ON) process.on(signal, () => guest.signal(signal));
  for (const signal of OF_TERMINAL) process.on(signal, () => {});
  try {
    await role.start();
    const qualified = new Promise<void>((resolve, reject) => {
      changed = () => {
        const status = role.status(ownName);
        const { isReady, words } = readinessOf(status);
        if (isReady) resolve();
        else if (status.state === 'offline') reject(new CommandFailure(EXIT.FAILED, words));
      };
      changed();
    });
    await Promise.race([qualified, failed, guest.ended]);
    return await Promise.race([run(role, ownName), failed]);
  } finally {
    control?.close();
    await role.close();
  }
}

/** `teredo status` is of use, but not needed. A name that the user has given must be free. */
async function controlOf(name: string | undefined, role: ClientRole): Promise<ControlServer | undefined> {
  try {
    return await openControl('client', name, role);
  } catch (error) {
    if (name !== undefined || !(error instanceof CommandFailure)) throw error;
    say('notice', `"teredo status" will not show this client: ${error.message}`);
    return undefined;
  }
}
