import type { ServerStatus } from '../control/status.ts';
import { SERVER_LIMITS } from '../core/server/index.ts';
import type { ServerLimits } from '../core/server/index.ts';
import { kernelPorts } from '../io/kernel-ports.ts';
import type { PortFactory } from '../io/port-factory.ts';
import { Server } from '../runtime/server.ts';
import type { ServerSettings } from '../runtime/server.ts';
import { checkServerLimits } from '../runtime/settings/check.ts';
import { limitsWith } from '../runtime/settings/limits.ts';
import type { Values } from '../runtime/settings/option.ts';
import type { SERVER_OPTIONS } from '../runtime/settings/server-options.ts';
import { formatIpv4 } from '../wire/index.ts';
import { accessOf, accessStatus } from './access.ts';
import { AnnouncedCheck } from './announced-check.ts';
import type { GivenValues } from './configuration/layers.ts';
import { commonStatus } from './control-answers.ts';
import { dataPathStatus } from './data-path-status.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { sayDataPath, sayText, sayWarning, sayWhyNotKernel } from './log.ts';
import type { Role, RunningRole } from './run-role.ts';
import { readKeys } from './secrets.ts';
import { explainNotLocal } from './start-notices.ts';
import { withWords } from './state-in-words.ts';

export class ServerRole implements Role {
  private readonly server: Server;
  private readonly running: RunningRole;
  private readonly check: AnnouncedCheck;

  constructor(settings: ServerSettings, ports: PortFactory, running: RunningRole) {
    this.running = running;
    this.server = new Server(settings, ports);
    this.server.on('warning', sayWarning);
    this.server.on('lost', (error) => running.end(EXIT.FAILED, error.message));
    this.check = new AnnouncedCheck(settings, sayText, kernelPorts());
  }

  async start(): Promise<void> {
    await explainNotLocal(this.server.start(), 'announce');
    this.check.start();
    sayWhyNotKernel(this.server.dataPath);
    this.server.on('data-path', sayDataPath);
    this.server.on('data-path', this.running.changed);
  }

  async prepare(values: GivenValues, changed: ReadonlySet<string>): Promise<() => void> {
    const { allow, deny, limits, keys: keyFile } = values as Values<typeof SERVER_OPTIONS>;
    const access = accessOf({ allow, deny });
    const whole = limitsWith(SERVER_LIMITS, limits);
    this.refuseIndivisible(whole);
    const keys = changed.has('keys') && keyFile !== undefined ? readKeys(keyFile, sayWarning) : undefined;
    return () => {
      if (keys !== undefined) this.server.setKeys(keys);
      if (changed.has('allow') || changed.has('deny')) this.server.setAccess(access);
      if (changed.has('limits')) this.server.setLimits(whole);
    };
  }

  private refuseIndivisible(limits: ServerLimits): void {
    try {
      checkServerLimits(limits, this.server.settings.workers ?? 1);
    } catch (error) {
      throw new CommandFailure(EXIT.USAGE, (error as Error).message);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.check.close(), this.server.close()]);
  }

  status(name: string): ServerStatus {
    const { settings } = this.server;
    const now = this.server.status();
    const { access, dataPath, counters, portCounters, kernelCounters: kernel } = now;
    return withWords({
      ...commonStatus(name),
      role: 'server',
      state: 'running',
      address: formatIpv4(settings.address),
      ...(settings.secondary === undefined ? {} : { secondary: formatIpv4(settings.secondary) }),
      ...announcedStatus(settings),
      limitsReached: now.limitsReached,
      secure: settings.keys !== undefined,
      ...(now.workers.length > 1 ? { workers: now.workers } : {}),
      access: accessStatus(access),
      dataPath: { ...dataPathStatus({ dataPath }), ...(kernel === undefined ? {} : { counters: kernel }) },
      ...driverStatus(now.answersInDriver),
      counters: { ...counters, ...portCounters },
    });
  }
}

function driverStatus(answers: boolean | string | undefined): Pick<ServerStatus, 'xdp' | 'withoutXdp'> {
  if (answers === undefined) return {};
  return typeof answers === 'string' ? { xdp: false, withoutXdp: answers } : { xdp: true };
}

function announcedStatus({
  announce,
  announceSecondary,
}: ServerSettings): Pick<ServerStatus, 'announced' | 'announcedSecondary'> {
  return {
    ...(announce === undefined ? {} : { announced: formatIpv4(announce) }),
    ...(announceSecondary === undefined ? {} : { announcedSecondary: formatIpv4(announceSecondary) }),
  };
}
