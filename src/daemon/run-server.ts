import { SERVER_LIMITS } from '../core/server/index.ts';
import { kernelPorts } from '../io/kernel-ports.ts';
import { keptServerPorts } from '../io/kept-server-ports.ts';
import type { ServerSettings } from '../runtime/server.ts';
import { nextAddress } from '../runtime/servers.ts';
import { limitsWith } from '../runtime/settings/limits.ts';
import type { Values } from '../runtime/settings/option.ts';
import type { SERVER_OPTIONS } from '../runtime/settings/server-options.ts';
import { TEREDO_PORT, formatIpv4 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { accessOf, noticesOfAccess } from './access.ts';
import type { ExitCode } from './exit-codes.ts';
import { openLog } from './log.ts';
import type { Reload } from './reload.ts';
import { runRole } from './run-role.ts';
import { namedSecondary } from './second-address.ts';
import { readKeys } from './secrets.ts';
import { ServerRole } from './server-role.ts';
import { noticesOfReach, noticesOfRemoved, noticesOfWorkers } from './start-notices.ts';

type ServerValues = Values<typeof SERVER_OPTIONS>;

/** Runs a server with these options; resolves when it has ended. */
export async function runServer(values: ServerValues, reload?: Reload): Promise<ExitCode> {
  await openLog(values);
  const { keys: keyFile, allow, deny, limits, ...same } = values;
  const secondary = secondaryOf(values);
  const access = accessOf({ allow, deny });
  const notices: string[] = [];
  const warn = (message: string): void => void notices.push(`warning: ${message}`);
  const keys = keyFile === undefined ? undefined : readKeys(keyFile, warn);
  const settings: ServerSettings = {
    ...same,
    secondary,
    keys,
    access,
    limits: limitsWith(SERVER_LIMITS, limits),
  };
  notices.push(...noticesOfReach(values), ...noticesOfAccess(access));
  if (secondary === undefined) {
    notices.push(
      `one IPv4 address only (${formatIpv4(values.address)}): clients cannot find out whether their NAT is symmetric, ` +
        'those of RFC 4380 and Windows in its old way may not qualify; a second address is given with --secondary',
    );
  }
  if (values.native !== false && !kernelPorts().tunnelHost.hasNativeIpv6('')) {
    notices.push(
      'warning: this host has no IPv6 route to the Internet: clients reach native hosts only after a test that the server ' +
        'forwards to them; --no-native says that this is meant so',
    );
  }
  notices.push(...noticesOfWorkers(values.workers));
  const { ports, removed } = keptServerPorts({
    primary: { address: values.address, port: TEREDO_PORT },
    secondary: secondary === undefined ? undefined : { address: secondary, port: TEREDO_PORT },
    workers: values.workers,
    keepsLinks: values.dataPath !== 'user',
  });
  notices.push(...noticesOfRemoved(removed));
  return runRole('server', values, (running) => new ServerRole(settings, ports, running), notices, reload);
}

function secondaryOf(values: ServerValues): Ipv4 | undefined {
  const named = namedSecondary(values);
  if (named !== undefined || values.secondary === 'none') return named;
  // The address outside of one that was not named is not known.
  if (values.announce !== undefined) return undefined;
  const next = nextAddress(values.address);
  const here = kernelPorts().network.ipv4Subnets();
  return here.some(({ address }) => address === next) ? next : undefined;
}
