import type { Configuration } from './configuration/configure.ts';
import type { RoleName } from './configuration/roles.ts';
import type { ExitCode } from './exit-codes.ts';
import { runClient } from './run-client.ts';
import { runHostRelay, runRelay } from './run-relay.ts';
import { runServer } from './run-server.ts';

const RUN: Readonly<Record<RoleName, (values: never) => Promise<ExitCode>>> = {
  client: runClient,
  server: runServer,
  relay: runRelay,
  'host-relay': runHostRelay,
};

/** Runs the role of a configuration file; resolves when it has ended. */
export function runConfigured({ role, values }: Configuration): Promise<ExitCode> {
  return RUN[role](values as never);
}
