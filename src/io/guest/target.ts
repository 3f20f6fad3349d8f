import { statSync } from 'node:fs';
import { SystemCallError } from '../../linux/errors.ts';
import { ProcessNetwork } from '../../linux/guest/process-network.ts';
import { Poll } from '../../linux/poll.ts';
import { EnvironmentError } from '../errors.ts';
import { isRoot } from './guest.ts';

/** A process whose network is to have IPv6. */
export class Target {
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  private readonly network: ProcessNetwork;
  private poll: Poll | undefined;

  private constructor(pid: number, network: ProcessNetwork) {
    this.pid = pid;
    this.network = network;
    this.ended = new Promise((resolve) => {
      this.poll = new Poll(network.process, resolve);
    });
  }

  /** Throws an EnvironmentError when this process cannot be one. */
  static open(pid: number): Target {
    const network = openNetwork(pid);
    const refusal = refusalOf(pid, network);
    if (refusal === undefined) return new Target(pid, network);
    network.close();
    throw refusal;
  }

  /** The namespaces to enter, in this order. Root has rights over all networks. */
  get namespaces(): readonly { readonly kind: 'user' | 'net'; readonly fd: number }[] {
    const { network, owner } = this.network;
    const user = isRoot() || owner === undefined ? [] : [{ kind: 'user', fd: owner } as const];
    return [...user, { kind: 'net', fd: network }];
  }

  close(): void {
    this.poll?.close();
    this.network.close();
  }
}

function openNetwork(pid: number): ProcessNetwork {
  try {
    return new ProcessNetwork(pid);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const { call, code } = error;
    if (call === 'open' && (code === 'EACCES' || code === 'EPERM')) throw notOurs(pid, error);
    if (!MISSING.has(code)) throw new EnvironmentError('system', `process ${pid}: ${error.message}`, error);
    throw new EnvironmentError('system', `there is no process ${pid}`, error);
  }
}

/** EINVAL: it is a thread. */
const MISSING = new Set(['ESRCH', 'ENOENT', 'EINVAL']);

function notOurs(pid: number, cause: unknown): EnvironmentError {
  const user = userOf(pid);
  const reason =
    user === undefined || user === process.geteuid?.()
      ? `the namespaces of process ${pid} are closed to this user`
      : `process ${pid} belongs to another user (${user})`;
  return new EnvironmentError(
    'not-permitted',
    `not permitted: ${reason}: attach as the user of its container, or as root`,
    cause,
  );
}

function userOf(pid: number): number | undefined {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return undefined; // it has ended
  }
}

function refusalOf(pid: number, network: ProcessNetwork): EnvironmentError | undefined {
  if (network.isOwn)
    return new EnvironmentError(
      'system',
      `process ${pid} is in the network of this host, not in one of its own: "teredo client" gives the whole host IPv6, "teredo exec" a single program`,
    );
  if (isRoot() || (network.owner !== undefined && !network.isOfOwnUsers)) return undefined;
  return new EnvironmentError(
    'not-permitted',
    `not permitted: the network of process ${pid} was made by root: attach as root`,
  );
}
