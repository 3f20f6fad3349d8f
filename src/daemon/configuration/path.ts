import { readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { faultOfName } from '../../runtime/settings/rules.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';

const FOLDER = '/etc/teredo';
const ENDING = '.toml';

/** The path of a configuration: of `relay` it is /etc/teredo/relay.toml; with a "/" or the ending ".toml" it is a path already. */
export function configurationPath(given: string): string {
  if (given.includes('/') || given.endsWith(ENDING)) return resolve(given);
  const fault = faultOfName(given);
  if (fault !== undefined) throw new CommandFailure(EXIT.USAGE, `"${given}" ${fault}`);
  return join(folder(), `${given}${ENDING}`);
}

/** The names of all files in the folder of configurations. */
export function configurationNames(): string[] {
  try {
    return readdirSync(folder())
      .filter((file) => file.endsWith(ENDING))
      .map((file) => basename(file, ENDING));
  } catch {
    return []; // there is no such folder, or it is not for this user
  }
}

function folder(): string {
  return process.env['TEREDO_CONFIG_DIR'] || FOLDER;
}

/** The name of the daemon with this file, unless the file gives one; undefined where the name of the file cannot be one. */
export function daemonNameOf(path: string): string | undefined {
  const name = basename(path, ENDING);
  return faultOfName(name) === undefined ? name : undefined;
}
