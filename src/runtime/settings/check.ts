/** The settings of the three roles, checked before anything is opened. */
import { AccessList } from '../../core/access-list.ts';
import { CLIENT_LIMITS } from '../../core/client/limits.ts';
import type { ServerCandidate } from '../../core/client/index.ts';
import type { Indivisible } from '../../core/limit-parts.ts';
import { RELAY_LIMITS } from '../../core/relay/limits.ts';
import type { RelayLimits } from '../../core/relay/limits.ts';
import { indivisibleRelayLimit } from '../../core/relay/workers-part.ts';
import { SERVER_LIMITS, indivisibleBurst } from '../../core/server/limits.ts';
import type { ServerLimits } from '../../core/server/limits.ts';
import { TEREDO_PORT, formatIpv6, parseIpv4 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { ClientSettings } from '../client-settings.ts';
import type { RelaySettings } from '../relay.ts';
import type { ServerSettings } from '../server.ts';
import { oneServerOnly } from '../servers.ts';
import { checkLimits } from './check-limits.ts';
import { CLIENT_OPTIONS } from './client-options.ts';
import type { Options } from './option.ts';
import { RELAY_OPTIONS } from './relay-options.ts';
import {
  faultOfChoice,
  faultOfClientId,
  faultOfEndpoint,
  faultOfHost,
  faultOfHostAddress,
  faultOfInterface,
  faultOfNativePrefix,
  faultOfSecondary,
  faultOfSecret,
  faultOfSwitch,
  ipv4InWords,
} from './rules.ts';
import type { Fault } from './rules.ts';
import { SERVER_OPTIONS } from './server-options.ts';
import { quoted } from './quoted.ts';
import { SettingsError } from './settings-error.ts';

/** Throws a {@link SettingsError} for the first setting that cannot be. */
export function checkClientSettings(settings: ClientSettings): void {
  const { secret, meet, requireSecondary } = settings;
  checkServers(settings.servers);
  checkSecondary(settings);
  checkDeclared(settings, CLIENT_OPTIONS);
  if (requireSecondary !== undefined)
    refuse('requireSecondary', quoted(requireSecondary), faultOfSwitch(requireSecondary));
  if (secret !== undefined) {
    checkObject('secret', secret);
    refuse('secret.clientId', '', faultOfClientId(secret.clientId));
    refuse('secret.secret', '', faultOfSecret(secret.secret));
  }
  if (meet !== undefined) {
    checkObject('meet', meet);
    refuse('meet', `${ipv4InWords(meet.address)}:${meet.port}`, faultOfEndpoint(meet));
  }
  checkGiven('limits', settings.limits);
  if (settings.limits !== undefined) checkLimits(settings.limits, CLIENT_LIMITS, { mayLackSome: true });
  checkClientWorkers(settings);
}

/** What a client with several workers cannot do. docs/adr/0029 */
export function checkClientWorkers(
  settings: Pick<ClientSettings, 'workers' | 'dataPath' | 'interface'>,
): void {
  const { workers = 1, dataPath, interface: tunnel } = settings;
  if (workers === 1) return;
  refuseKernelPath(dataPath);
  if (tunnel === undefined)
    throw new SettingsError(
      'workers',
      'workers: several carry packets of an interface: they need "interface"',
    );
}

function refuseKernelPath(dataPath: ClientSettings['dataPath']): void {
  if (dataPath !== 'kernel') return;
  throw new SettingsError('dataPath', 'dataPath: the kernel path uses all processors: it needs "workers" 1');
}

/** Checks settings that are options with a rule of their kind, or with a list of words. */
function checkDeclared(settings: object, options: Options): void {
  for (const [name, option] of Object.entries(options)) {
    const value = (settings as Readonly<Record<string, unknown>>)[name];
    if ('kind' in option) {
      const { kind, required = false, mayBeZero = false } = option;
      if ((value === undefined && !required) || (value === 0 && mayBeZero)) continue;
      refuse(name, kind.inWords?.(value) ?? quoted(value), kind.faultOf?.(value));
    } else if (value !== undefined && option.choices !== undefined)
      refuse(name, quoted(value), faultOfChoice(value as string, option.choices));
    else if (value !== undefined) refuse(name, quoted(value), faultOfSwitch(value));
  }
}

/** At least one; each a name, an IPv4 address or a candidate. */
export function checkServers(servers: readonly (ServerCandidate | string)[]): void {
  if (!Array.isArray(servers) || servers.length === 0)
    throw new SettingsError('servers', 'servers: at least one is needed');
  for (const [i, server] of servers.entries()) {
    const field = `servers[${i}]`;
    if (typeof server === 'string') {
      refuse(field, `"${server}"`, faultOfHost(server, 'a Teredo server', TEREDO_PORT));
      continue;
    }
    if (typeof server !== 'object' || server === null)
      throw new SettingsError(field, `${field}: ${String(server)} is neither a name nor a candidate`);
    checkAddress(`${field}.primary`, server.primary);
    const { primary, secondary } = server;
    if (secondary !== undefined)
      refuse(`${field}.secondary`, ipv4InWords(secondary), faultOfSecondary(secondary, primary));
  }
}

/** Of the one server that has a name; without any name `none` says nothing new. */
function checkSecondary({ servers, secondary }: ClientSettings): void {
  if (secondary === undefined || secondary === 'none') return;
  checkAddress('secondary', secondary);
  const names = [...new Set(servers.filter((server) => typeof server === 'string'))];
  if (names.length > 1) throw oneServerOnly(names);
  const [name] = names;
  if (name === undefined) {
    const words = 'belongs to a server that is given by its name: a candidate has a "secondary" of its own';
    throw new SettingsError('secondary', `secondary: ${ipv4InWords(secondary)} ${words}`);
  }
  if (parseIpv4(name) === secondary)
    refuse('secondary', ipv4InWords(secondary), faultOfSecondary(secondary, secondary));
}

/** Throws a {@link SettingsError} for the first setting that cannot be. */
export function checkServerSettings(settings: ServerSettings): void {
  const { address, secondary } = settings;
  checkDeclared(settings, SERVER_OPTIONS);
  if (secondary !== undefined)
    refuse('secondary', ipv4InWords(secondary), faultOfSecondary(secondary, address));
  checkAnnounced(settings);
  checkAccess(settings.access);
  checkGiven('limits', settings.limits);
  const { limits = SERVER_LIMITS, workers = 1, keys } = settings;
  checkServerLimits(limits, workers);
  if (workers > 1 && typeof keys === 'function')
    throw new SettingsError('keys', 'keys: a function cannot be given to several workers: give a map');
}

/** Throws a {@link SettingsError} for the first limit that cannot be, or cannot be divided among the workers. */
export function checkServerLimits(limits: ServerLimits, workers: number): void {
  checkLimits(limits, SERVER_LIMITS);
  refuseIndivisible(indivisibleBurst(limits, workers), workers);
}

/** The same for a relay. */
export function checkRelayLimits(limits: RelayLimits, workers: number): void {
  checkLimits(limits, RELAY_LIMITS);
  refuseIndivisible(indivisibleRelayLimit(limits, workers), workers);
}

function refuseIndivisible(small: Indivisible | undefined, workers: number): void {
  if (small === undefined) return;
  const { name, value, least } = small;
  const why = `${value} is too small to be divided: with ${workers} workers at least ${least}, or 0`;
  throw new SettingsError(`limits.${name}`, `limits.${name}: ${why}`);
}

/** Throws a {@link SettingsError} for the first setting that cannot be. */
export function checkRelaySettings(settings: RelaySettings): void {
  const { serve } = settings;
  checkDeclared(settings, RELAY_OPTIONS);
  // A program has to name it.
  refuse('interface', settings.interface, faultOfInterface(settings.interface));
  checkGiven('serve', serve);
  for (const [i, prefix] of (serve ?? []).entries()) {
    checkObject(`serve[${i}]`, prefix);
    refuse(`serve[${i}]`, `${formatIpv6(prefix.address)}/${prefix.length}`, faultOfNativePrefix(prefix));
  }
  checkAccess(settings.access);
  checkGiven('limits', settings.limits);
  checkRelayWorkers(settings);
}

/** What a relay with several workers cannot do, and which limits it cannot divide. docs/adr/0029 */
export function checkRelayWorkers(
  settings: Pick<RelaySettings, 'workers' | 'dataPath' | 'meet' | 'limits'>,
): void {
  const { workers = 1, dataPath, meet, limits = RELAY_LIMITS } = settings;
  checkRelayLimits(limits, workers);
  if (workers === 1) return;
  refuseKernelPath(dataPath);
  if (meet === true)
    throw new SettingsError(
      'meet',
      'meet: two clients that meet may be of two workers: it needs "workers" 1',
    );
}

/** RFC 4380 section 5.3: clients need both addresses as they are outside, two different ones. */
function checkAnnounced({ address, secondary, announce, announceSecondary: other }: ServerSettings): void {
  if (other !== undefined && secondary === undefined)
    throw new SettingsError(
      'announceSecondary',
      `announceSecondary: ${ipv4InWords(other)} needs "secondary", too`,
    );
  if (other !== undefined)
    refuse('announceSecondary', ipv4InWords(other), faultOfSecondary(other, announce ?? address));
  if (announce !== undefined && secondary !== undefined && other === undefined)
    throw new SettingsError(
      'announceSecondary',
      'announceSecondary: is needed where both "announce" and "secondary" are given',
    );
}

function checkAddress(setting: string, address: Ipv4): void {
  refuse(setting, ipv4InWords(address), faultOfHostAddress(address));
}

function checkGiven(setting: string, value: object | undefined): void {
  if (value !== undefined) checkObject(setting, value);
}

/** Callers without types may pass values that the types do not allow. */
function checkObject(setting: string, value: unknown): void {
  if (typeof value !== 'object' || value === null)
    throw new SettingsError(setting, `${setting}: ${quoted(value)} is no object`);
}

function checkAccess(access: AccessList | undefined): void {
  if (access !== undefined && !(access instanceof AccessList))
    throw new SettingsError('access', 'access: is not an AccessList');
}

function refuse(setting: string, value: string, fault: Fault): void {
  if (fault === undefined) return;
  throw new SettingsError(setting, `${setting}: ${value === '' ? '' : `${value} `}${fault}`);
}
