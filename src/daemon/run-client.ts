import { CLIENT_LIMITS } from '../core/client/index.ts';
import type { ServerCandidate } from '../core/client/index.ts';
import { keptTunnelPorts } from '../io/kept-tunnel-ports.ts';
import { fitsServers } from '../runtime/client-handover.ts';
import { resolveServers } from '../runtime/servers.ts';
import type { KnownAddresses } from '../runtime/servers.ts';
import type { CLIENT_OPTIONS } from '../runtime/settings/client-options.ts';
import { limitsWith } from '../runtime/settings/limits.ts';
import type { Values } from '../runtime/settings/option.ts';
import { ClientRole } from './client-role.ts';
import type { ResolvedSettings } from './client-role.ts';
import type { ExitCode } from './exit-codes.ts';
import { openLog } from './log.ts';
import { resolveMeetingPoint } from './meeting-point.ts';
import { noticesOfPortMappingFile, portMappingFile } from './port-mapping.ts';
import type { Reload } from './reload.ts';
import { runRole } from './run-role.ts';
import type { RunningRole } from './run-role.ts';
import { readSecret } from './secrets.ts';
import { noticesOfRemoved, noticesOfServer, noticesOfWorkers } from './start-notices.ts';

export type ClientValues = Values<typeof CLIENT_OPTIONS>;

/** Runs a client with these options; resolves when it has ended. */
export async function runClient(values: ClientValues, reload?: Reload): Promise<ExitCode> {
  await openLog(values);
  const notices: string[] = [];
  const known: KnownAddresses = new Map();
  const settings = await clientSettingsOf(values, notices, known);
  const resolve = (): Promise<ServerCandidate[]> =>
    resolveServers(values.servers, values.secondary, () => {}, known);
  const { workers = 1 } = settings;
  const { ports, removed } = keptTunnelPorts({
    udp: { address: settings.bind ?? 0, port: settings.port ?? 0 },
    tun: settings.interface ?? '',
    fitsState: (state) => fitsServers(state, settings.servers),
    hasRules: true,
    queues: workers,
    keepsLinks: settings.dataPath !== 'user' && workers === 1,
  });
  notices.push(...noticesOfWorkers(workers), ...noticesOfRemoved(removed));
  const make = (running: RunningRole): ClientRole => new ClientRole(settings, resolve, ports, running);
  return runRole('client', values, make, notices, reload);
}

/** The settings of a client, with its names looked up; `notices` and `known` are filled. */
export async function clientSettingsOf(
  values: ClientValues,
  notices: string[],
  known: KnownAddresses,
): Promise<ResolvedSettings> {
  const { name, clientId, secretFile, limits, meet, ...same } = values;
  const warn = (message: string): void => void notices.push(`warning: ${message}`);
  const servers = await resolveServers(values.servers, values.secondary, warn, known);
  notices.push(...servers.flatMap(({ primary }) => noticesOfServer(primary, values.allowPrivate)));
  if (values.portMapping !== 'off') notices.push(...noticesOfPortMappingFile());
  return {
    ...same,
    servers,
    secondary: undefined,
    portMappingFile: portMappingFile(name),
    limits: limitsWith(CLIENT_LIMITS, limits),
    secret: readSecret(clientId, secretFile, warn),
    meet: meet === undefined ? undefined : await resolveMeetingPoint(meet),
  };
}
