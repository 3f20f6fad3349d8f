/** Options that fit only together. The others are checked one by one. */
import type { CLIENT_OPTIONS } from '../../runtime/settings/client-options.ts';
import { RELAY_LIMITS } from '../../core/relay/limits.ts';
import { SERVER_LIMITS } from '../../core/server/limits.ts';
import {
  checkClientSettings,
  checkRelayWorkers,
  checkServerLimits,
  checkServerSettings,
} from '../../runtime/settings/check.ts';
import { limitsWith } from '../../runtime/settings/limits.ts';
import type { Values } from '../../runtime/settings/option.ts';
import type { RELAY_OPTIONS } from '../../runtime/settings/relay-options.ts';
import { quoted } from '../../runtime/settings/quoted.ts';
import { faultOfClientId } from '../../runtime/settings/rules.ts';
import type { SERVER_OPTIONS } from '../../runtime/settings/server-options.ts';
import { SettingsError } from '../../runtime/settings/settings-error.ts';
import { accessOf } from '../access.ts';
import { CommandFailure } from '../exit-codes.ts';
import { faultOfListen } from '../http/listen.ts';
import type { HttpOptions } from '../http/listen.ts';
import { namedSecondary } from '../second-address.ts';
import type { OptionFault } from './file.ts';
import type { GivenValues } from './layers.ts';
import type { RoleName } from './roles.ts';

export function faultsOfWhole(role: RoleName, values: GivenValues): OptionFault[] {
  const faults = {
    client: [faultOfHttp, faultOfSecret, faultOfServers],
    server: [faultOfHttp, faultOfAccess, faultOfAddresses, faultOfParts],
    relay: [faultOfHttp, faultOfAccess, faultOfRelayWorkers],
    'host-relay': [faultOfHttp, faultOfAccess, faultOfRelayWorkers],
  }[role].map((faultOf) => faultOf(values as never));
  return faults.filter((fault) => fault !== undefined);
}

function faultOfHttp(values: HttpOptions): OptionFault | undefined {
  const message = faultOfListen(values);
  return message === undefined ? undefined : { option: 'listen', message };
}

function faultOfSecret({ clientId, secretFile }: Values<typeof CLIENT_OPTIONS>): OptionFault | undefined {
  if (clientId !== undefined && secretFile !== undefined) return faultOfId(clientId);
  if (clientId === secretFile) return undefined;
  return {
    option: clientId === undefined ? 'secretFile' : 'clientId',
    message: 'client-id and secret-file belong together: give both or none',
  };
}

function faultOfId(clientId: string): OptionFault | undefined {
  const fault = faultOfClientId(Buffer.from(clientId));
  return fault === undefined ? undefined : { option: 'clientId', message: `${quoted(clientId)} ${fault}` };
}

function faultOfServers({ servers, secondary }: Partial<Values<typeof CLIENT_OPTIONS>>) {
  return servers === undefined ? undefined : faultIn(() => checkClientSettings({ servers, secondary }));
}

/** Without a second address the role looks for one at the host. */
function faultOfAddresses(values: Partial<Values<typeof SERVER_OPTIONS>>): OptionFault | undefined {
  const { address, announce, announceSecondary } = values;
  if (address === undefined) return undefined;
  const secondary = namedSecondary({ ...values, address });
  return faultIn(() => checkServerSettings({ address, secondary, announce, announceSecondary }));
}

/** Limits have to be divisible among the workers. */
function faultOfParts({ limits, workers = 1 }: Partial<Values<typeof SERVER_OPTIONS>>) {
  return faultIn(() => checkServerLimits(limitsWith(SERVER_LIMITS, limits), workers));
}

function faultOfRelayWorkers(values: Partial<Values<typeof RELAY_OPTIONS>>): OptionFault | undefined {
  return faultIn(() => checkRelayWorkers({ ...values, limits: limitsWith(RELAY_LIMITS, values.limits) }));
}

function faultOfAccess(values: GivenValues): OptionFault | undefined {
  try {
    accessOf(values as Values<typeof RELAY_OPTIONS>);
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return { option: 'allow', message: error.message };
  }
}

function faultIn(check: () => void): OptionFault | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const { setting, message } = error;
    return { option: /^\w+/.exec(setting)![0], message: message.slice(setting.length).replace(/^:? /, '') };
  }
}
