import { RELAY_LIMITS } from '../core/relay/index.ts';
import { kernelPorts } from '../io/kernel-ports.ts';
import { keptTunnelPorts } from '../io/kept-tunnel-ports.ts';
import { ALL_NATIVE } from '../runtime/relay.ts';
import type { RelaySettings } from '../runtime/relay.ts';
import { limitsWith } from '../runtime/settings/limits.ts';
import type { Values } from '../runtime/settings/option.ts';
import type { HOST_RELAY_OPTIONS, RELAY_OPTIONS } from '../runtime/settings/relay-options.ts';
import { accessOf, noticesOfAccess } from './access.ts';
import type { ExitCode } from './exit-codes.ts';
import { openLog } from './log.ts';
import { NO_FORWARDING } from './readiness.ts';
import { RelayRole } from './relay-role.ts';
import type { Reload } from './reload.ts';
import { runRole } from './run-role.ts';
import type { RunningRole } from './run-role.ts';
import { noticesOfReach, noticesOfRemoved, noticesOfWorkers } from './start-notices.ts';

type RelayValues = Values<typeof RELAY_OPTIONS>;
type HostRelayValues = Values<typeof HOST_RELAY_OPTIONS>;

/** Runs a relay with these options; resolves when it has ended. */
export async function runRelay({ drain, ...values }: RelayValues, reload?: Reload): Promise<ExitCode> {
  await openLog(values);
  const notices = noticesOfReach(values);
  if (!kernelPorts().network.forwardsIpv6()) notices.push(`warning: ${NO_FORWARDING}`);
  return run('relay', { ...values, serve: values.serve ?? ALL_NATIVE }, notices, reload, drain);
}

/** Runs a host-specific relay with these options; resolves when it has ended. */
export async function runHostRelay(values: HostRelayValues, reload?: Reload): Promise<ExitCode> {
  await openLog(values);
  const notices: string[] = [];
  // H-3. It may come yet: the relay follows the host's addresses.
  if (kernelPorts().network.globalIpv6().length === 0)
    notices.push(
      'warning: this host has no native IPv6, and so nothing to relay for: "teredo client" gives it IPv6',
    );
  return run('host-relay', values, notices, reload);
}

function run(
  role: 'relay' | 'host-relay',
  { allow, deny, limits, ...same }: Omit<RelayValues, 'drain'> | HostRelayValues,
  notices: readonly string[],
  reload: Reload | undefined,
  drainSeconds = 0,
): Promise<ExitCode> {
  const access = accessOf({ allow, deny });
  const settings: RelaySettings = {
    ...same,
    address: same.address ?? 0,
    access,
    limits: limitsWith(RELAY_LIMITS, limits),
  };
  const { address, port, interface: tun, dataPath, workers = 1 } = settings;
  const { ports, removed } = keptTunnelPorts({
    udp: { address, port },
    tun,
    workers,
    keepsLinks: dataPath !== 'user',
  });
  const all = [
    ...notices,
    ...noticesOfAccess(access),
    ...noticesOfWorkers(workers),
    ...noticesOfRemoved(removed),
  ];
  const make = (running: RunningRole): RelayRole =>
    new RelayRole(role, settings, ports, running, drainSeconds);
  return runRole(role, same, make, all, reload);
}
