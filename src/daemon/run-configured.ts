import { configure, faultsWithFiles } from './configuration/configure.ts';
import type { FlagsOf } from './configuration/configure.ts';
import type { RoleName } from './configuration/roles.ts';
import type { ExitCode } from './exit-codes.ts';
import { fileVersion } from './file-version.ts';
import { Reload } from './reload.ts';
import { runClient } from './run-client.ts';
import { runHostRelay, runRelay } from './run-relay.ts';
import { runServer } from './run-server.ts';

const RUN: Readonly<Record<RoleName, (values: never, reload: Reload) => Promise<ExitCode>>> = {
  client: runClient,
  server: runServer,
  relay: runRelay,
  'host-relay': runHostRelay,
};

/** Runs the role of a configuration file, with these flags in addition; resolves when it has ended. */
export async function runConfigured(path: string, flagsOf: FlagsOf): Promise<ExitCode> {
  const version = fileVersion(path);
  const configuration = await configure(path, flagsOf); // the start reads the files that it names
  const read = () => configure(path, flagsOf, process.env, faultsWithFiles);
  return RUN[configuration.role](configuration.values as never, new Reload(configuration, read, version));
}
