/** A daemon takes a changed configuration while it runs. */
import { closeSync, openSync } from 'node:fs';
import type { ConfigurationStatus } from '../control/status.ts';
import type { LogLevel } from '../runtime/settings/common-options.ts';
import type { Configuration } from './configuration/configure.ts';
import { changesOf } from './configuration/changes.ts';
import type { Change } from './configuration/changes.ts';
import type { GivenValues } from './configuration/layers.ts';
import { versionsOfFiles } from './configuration/named-files.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { fileVersion } from './file-version.ts';
import { say, setLevel } from './log.ts';

/** Twice this, for a reload that waits for another one, is less than the control socket gives to an answer (30 s). */
const PREPARE_MS = 12_000;

/** The result of a reload. */
export interface Reloaded {
  readonly file: string;
  readonly changed: readonly Change[];
  /** Options that keep their old values until the daemon is started again. */
  readonly needRestart: readonly Change[];
}

/** A role, or a part of its process, that takes other values of its live options. */
export interface Changeable {
  /**
   * Prepares the role for these values, and resolves with the step that takes them over. `changed`: the names of the options that differ, or whose
   * files have other contents. Rejects with a CommandFailure if they cannot be: nothing is changed then.
   */
  prepare(values: GivenValues, changed: ReadonlySet<string>): Promise<() => void>;
}

/** Reads the configuration of one daemon again, once at a time. */
export class Reload {
  private configuration: Configuration;
  private readonly readAgain: () => Promise<Configuration>;
  private readonly parts: Changeable[] = [];
  private underway: Promise<Reloaded> | undefined;
  private next: Promise<Reloaded> | undefined;
  /** Options that an error has kept from being taken over as a whole: their values are not known. */
  private unsure: ReadonlySet<string> = new Set();
  /** Of the file whose values are in force, and of the files that it names. */
  private version: string;
  /** Of the files whose contents are in force, by the options that name them. */
  private files: ReadonlyMap<string, string>;
  /** Of the file that the last reload has refused; undefined: it has refused none. */
  private refused: string | undefined;
  private needRestart: readonly Change[] = [];

  /** `version`: of the file, from before it was read. */
  constructor(configuration: Configuration, readAgain: () => Promise<Configuration>, version: string) {
    this.configuration = configuration;
    this.readAgain = readAgain;
    this.files = versionsOfFiles(configuration.values);
    this.version = [version, ...this.files.values()].join(' ');
  }

  /** Takes other values beside the role. */
  add(part: Changeable): void {
    this.parts.push(part);
  }

  get file(): string {
    return this.configuration.path;
  }

  status(): ConfigurationStatus {
    const present = this.present();
    const refused = this.unsure.size > 0 || present === this.refused;
    const changedSinceRead = !refused && present !== this.version;
    const needRestart = this.needRestart.map(({ option }) => option);
    return {
      inForce: !refused && !changedSinceRead && needRestart.length === 0,
      changedSinceRead,
      refused,
      needRestart,
    };
  }

  /** The version of the file and of those that it names. */
  private present(): string {
    return [fileVersion(this.file), ...versionsOfFiles(this.configuration.values).values()].join(' ');
  }

  /**
   * Rejects with a CommandFailure if there are errors: the old configuration stays. Rejects with another error if it was taken over in part. Those
   * that ask during a reload share the next one.
   */
  reload(role: Changeable): Promise<Reloaded> {
    if (this.underway === undefined) return this.begin(role);
    this.next ??= this.underway.then(
      () => this.begin(role),
      () => this.begin(role),
    );
    return this.next;
  }

  private begin(role: Changeable): Promise<Reloaded> {
    this.next = undefined;
    const underway = this.take(role).finally(() => (this.underway = undefined));
    this.underway = underway;
    return underway;
  }

  private async take(role: Changeable): Promise<Reloaded> {
    const version = this.present();
    try {
      const reloaded = await this.takeOver(role);
      [this.version, this.refused, this.needRestart] = [version, undefined, reloaded.needRestart];
      say('reloaded', inWords(reloaded));
      return reloaded;
    } catch (error) {
      this.refused = version;
      const lines = error instanceof CommandFailure ? error.lines : [(error as Error).message];
      for (const line of lines) say('reload-failed', line);
      if (!(error instanceof TakenInPart)) say('reload-failed', 'the old configuration stays');
      throw error;
    }
  }

  private async takeOver(role: Changeable): Promise<Reloaded> {
    const { configuration: before, files: oldFiles } = this;
    const files = versionsOfFiles(before.values);
    const after = await this.readAgain();
    if (after.role !== before.role)
      throw new CommandFailure(
        EXIT.USAGE,
        `${after.path}: the role is "${after.role}" now: restart the daemon, which is a ${before.role}`,
      );
    const isRewritten = (name: string): boolean =>
      before.values[name] === after.values[name] && files.get(name) !== oldFiles.get(name);
    const rewritten = [...files.keys()].filter(isRewritten);
    const { live, changed, needRestart } = changesOf(before.role, before.values, after.values, rewritten);
    const all = new Set([...live, ...this.unsure]);
    const preparing = [...this.parts, role].map(async (part) => part.prepare(after.values, all));
    const commits = await inTime(Promise.all(preparing));
    try {
      for (const commit of commits) commit();
      if (all.has('logLevel')) setLevel(after.values['logLevel'] as LogLevel);
    } catch (error) {
      this.unsure = all;
      throw new TakenInPart(error as Error);
    }
    this.unsure = new Set();
    const values = Object.fromEntries(
      Object.entries({ ...before.values, ...after.values }).map(([name]) => [
        name,
        (live.has(name) ? after : before).values[name],
      ]),
    );
    this.configuration = { ...before, values };
    this.files = new Map(
      [...oldFiles].map(([name, version]) => [
        name,
        (live.has(name) ? files.get(name) : undefined) ?? version,
      ]),
    );
    return { file: after.path, changed, needRestart };
  }
}

/** An error on the way from the old configuration to the new one. */
class TakenInPart extends Error {
  constructor(cause: Error) {
    super(
      `${cause.message}: a part of the new configuration may be in force; reload again, or restart the daemon`,
      {
        cause,
      },
    );
    this.name = 'TakenInPart';
  }
}

async function inTime<T>(preparing: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = `the new values were not ready in ${PREPARE_MS / 1_000} s: check the names of the servers and this host's DNS`;
    timer = setTimeout(() => reject(new CommandFailure(EXIT.TIMED_OUT, why)), PREPARE_MS);
  });
  try {
    return await Promise.race([preparing, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** In one line. */
export function inWords({ file, changed, needRestart }: Reloaded): string {
  const words = (changes: readonly Change[]): string =>
    changes.map(({ option, before, after }) => `${option} (${before} -> ${after})`).join(', ');
  if (changed.length + needRestart.length === 0) return `${file}: nothing has changed`;
  return [
    `${file}: ${changed.length === 0 ? 'nothing changed' : `changed: ${words(changed)}`}`,
    ...(needRestart.length === 0 ? [] : [`needs a restart: ${words(needRestart)}`]),
  ].join('; ');
}

/** Whether SIGHUP means that the terminal of this process has gone. Without one, it asks for a reload. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false; // ENXIO: the process has none
  }
}
