/** Files that options name: read as the role reads them, so that their faults are found before a start. */
import { statSync } from 'node:fs';
import { CommandFailure } from '../exit-codes.ts';
import { fileVersion } from '../file-version.ts';
import { readToken } from '../http/listen.ts';
import { readKeys, readSecretFile } from '../secrets.ts';
import type { OptionFault } from './file.ts';
import type { GivenValues } from './layers.ts';

/** The check of each option that names a file. It throws a CommandFailure. */
const READERS: Readonly<Record<string, (file: string) => unknown>> = {
  listenToken: readToken,
  keys: readKeys,
  secretFile: readSecretFile,
};

export const FILE_OPTIONS: readonly string[] = Object.keys(READERS);

/** The file of each option that names one. */
export function filesNamed(values: GivenValues): [option: string, file: string][] {
  return FILE_OPTIONS.flatMap((option) => {
    const file = values[option];
    return typeof file === 'string' ? [[option, file] as [string, string]] : [];
  });
}

export function faultsOfFiles(values: GivenValues): OptionFault[] {
  return filesNamed(values).flatMap(([option, file]) => faultOf(option, file) ?? []);
}

/** The version of the file of each option that names one. */
export function versionsOfFiles(values: GivenValues): ReadonlyMap<string, string> {
  const files = filesNamed(values).filter(([, file]) => !isFifo(file));
  return new Map(files.map(([option, file]) => [option, fileVersion(file)]));
}

function faultOf(option: string, file: string): OptionFault | undefined {
  if (isFifo(file)) return undefined; // its contents can be read only once: they are for the role
  try {
    READERS[option]!(file);
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return { option, message: error.message.replace(/^--[\w-]+: /, ''), exitCode: error.exitCode };
  }
}

function isFifo(file: string): boolean {
  try {
    return statSync(file).isFIFO();
  } catch {
    return false; // the reading of it gives the reason
  }
}
