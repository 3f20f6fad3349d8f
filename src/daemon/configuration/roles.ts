/** The roles that a configuration file can give, by the name of their command. */
import { CLIENT_LIMITS } from '../../core/client/limits.ts';
import { RELAY_LIMITS } from '../../core/relay/limits.ts';
import { SERVER_LIMITS } from '../../core/server/limits.ts';
import { CLIENT_OPTIONS } from '../../runtime/settings/client-options.ts';
import type { Options } from '../../runtime/settings/option.ts';
import { HOST_RELAY_OPTIONS, RELAY_OPTIONS } from '../../runtime/settings/relay-options.ts';
import { SERVER_OPTIONS } from '../../runtime/settings/server-options.ts';

interface RoleDeclaration {
  readonly options: Options;
  /** The defaults of its limits. */
  readonly limits: object;
}

export const ROLES = {
  client: { options: CLIENT_OPTIONS, limits: CLIENT_LIMITS },
  server: { options: SERVER_OPTIONS, limits: SERVER_LIMITS },
  relay: { options: RELAY_OPTIONS, limits: RELAY_LIMITS },
  'host-relay': { options: HOST_RELAY_OPTIONS, limits: RELAY_LIMITS },
} as const satisfies Record<string, RoleDeclaration>;

export type RoleName = keyof typeof ROLES;

export const ROLE_NAMES = Object.keys(ROLES) as RoleName[];
