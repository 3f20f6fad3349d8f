/** The effective configuration of a daemon: its file, the environment, and flags. */
import type { Options } from '../../runtime/settings/option.ts';
import type { CommandFailure } from '../exit-codes.ts';
import { fromEnvironment } from './environment.ts';
import type { ConfigurationFile, OptionFault } from './file.ts';
import { layered, missingIn, valuesIn } from './layers.ts';
import type { GivenValues, Layer, Sourced } from './layers.ts';
import { faultsOfFiles } from './named-files.ts';
import { daemonNameOf } from './path.ts';
import { ROLES } from './roles.ts';
import type { RoleName } from './roles.ts';
import { faultsOfWhole } from './whole.ts';

export interface Configuration {
  readonly role: RoleName;
  readonly path: string;
  /** By the names of the declarations. */
  readonly effective: ReadonlyMap<string, Sourced>;
  /** Those that give values, the last one first in precedence. */
  readonly layers: readonly Layer[];
  /** Of `effective`, for the role. */
  readonly values: GivenValues;
}

/** Gives values of flags for a role that is not known before the file is read. */
export type FlagsOf = (role: RoleName) => GivenValues;

/** Finds the faults of values that are each good by itself. */
type FaultsOf = (role: RoleName, values: GivenValues) => OptionFault[];

/** The faults of the files that options name, too. */
export const faultsWithFiles: FaultsOf = (role, values) => [
  ...faultsOfWhole(role, values),
  ...faultsOfFiles(values),
];

/** Reads the file and puts everything together. Rejects with a CommandFailure that lists all errors. */
export async function configure(
  path: string,
  flagsOf: FlagsOf = () => ({}),
  env: NodeJS.ProcessEnv = process.env,
  faultsOf: FaultsOf = faultsOfWhole,
): Promise<Configuration> {
  const { loadConfiguration } = await import('./load.ts');
  const file = loadConfiguration(path);
  const { role } = file;
  const options: Options = ROLES[role].options;
  const layers: Layer[] = [
    { source: 'file', values: file.values },
    { source: 'environment', values: fromEnvironment(options, env) },
    { source: 'flag', values: flagsOf(role) },
  ];
  const effective = new Map(layered(options, layers));
  if (effective.get('name')?.value === undefined)
    effective.set('name', { value: daemonNameOf(path), source: 'default' });
  const unfit = faultsOf(role, valuesIn(effective));
  const failure = failureOf(file, options, effective, unfit);
  if (failure !== undefined) throw failure;
  return { role, path, effective, layers, values: valuesIn(effective) };
}

/** Why these values cannot be. A fault of a flag or variable is left to the start of the role, which names it. */
function failureOf(
  file: ConfigurationFile,
  options: Options,
  effective: ReadonlyMap<string, Sourced>,
  unfit: readonly OptionFault[],
): CommandFailure | undefined {
  const missing = missingIn(options, effective).map((option) => ({
    option,
    message: 'is missing: it is required',
  }));
  const isOfFile = ({ option }: OptionFault): boolean =>
    ['file', 'default'].includes(effective.get(option)?.source ?? 'default');
  const faults = [...missing, ...unfit.filter(isOfFile)];
  return faults.length === 0 ? undefined : file.failure(faults);
}
