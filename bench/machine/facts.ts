/** The machine and the build that the figures are of. */
import { spawnSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import { ROOT } from '../root.ts';

export interface Facts {
  readonly date: string;
  /** Release of the kernel. */
  readonly kernel: string;
  /** Of this repository; `+` after it: files have changed since. */
  readonly commit: string;
  readonly processor: string;
  readonly processors: number;
  readonly node: string;
  /** The features of the links that are on, by kind, host and interface. */
  readonly links: Record<string, Readonly<Record<string, string>>>;
}

export function readFacts(): Facts {
  const all = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    kernel: release(),
    commit: commit(),
    processor: all[0]?.model ?? 'unknown',
    processors: all.length,
    node: process.version,
    links: {},
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout ?? '';
  const head = git('rev-parse', '--short=12', 'HEAD').trim();
  // The page and the figures are written by the bench itself.
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs', ':!README.md');
  return head === '' ? 'unknown' : `${head}${changed === '' ? '' : '+'}`;
}
