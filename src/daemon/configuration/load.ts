/** The entry to all that reads configuration files. The build makes a file of its own of it, which only commands that read one load. */
import { readOperatorFile } from '../read-file.ts';
import { parseConfiguration } from './file.ts';
import type { ConfigurationFile } from './file.ts';

export { jsonSchema } from './schema.ts';

const CONFIGURATION_FILE = { name: 'configuration file', mostKilobytes: 256 };

/** Throws a CommandFailure that lists all errors. */
export function loadConfiguration(path: string): ConfigurationFile {
  return parseConfiguration(path, readOperatorFile(path, CONFIGURATION_FILE));
}
