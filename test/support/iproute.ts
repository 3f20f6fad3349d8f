import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** iproute2 is in a folder that is not in the PATH of normal users. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** An `ip` command failed. */
export class IpRouteError extends Error {
  /** The output of `ip`. */
  readonly said: string;
  readonly missing: boolean;

  constructor(args: readonly string[], said: string, missing: boolean) {
    super(`ip ${args.join(' ')}: ${said}`);
    this.name = 'IpRouteError';
    this.said = said;
    this.missing = missing;
  }
}

/** Runs `ip` with these arguments; rejects with an IpRouteError. */
export async function ip(...args: string[]): Promise<void> {
  try {
    await run('ip', args, { env: { ...process.env, PATH, LC_ALL: 'C' } });
  } catch (error) {
    const { stderr, message, code } = error as { stderr?: string; message: string; code?: unknown };
    throw new IpRouteError(args, (stderr ?? '').trim() || message, code === 'ENOENT');
  }
}
