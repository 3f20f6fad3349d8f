import type { PeersStatus, RoleStatus, Traffic } from '../../control/status.ts';
import type { PeerMeans } from '../../core/client/index.ts';
import { askAgain, findAnswers } from '../commands/ask-daemon.ts';
import type { AnswerAt } from '../commands/ask-daemon.ts';
import type { CommandFailure } from '../../daemon/exit-codes.ts';

/** Peers that are counted by means: enough for a picture, and few enough to ask for each second. */
const PEERS = 1_000;

/** The status of a daemon, and its numbers of a moment before, for rates. */
export interface Sample {
  readonly path: string;
  readonly status: RoleStatus;
  /** Time of the answer, in ms. */
  readonly at: number;
  readonly before: Sample | undefined;
  /** Trusted peers of a client by means, of the first {@link PEERS}. */
  readonly means: ReadonlyMap<PeerMeans, number>;
}

export interface Look {
  readonly samples: readonly Sample[];
  /** Why other daemons are not among them. */
  readonly failures: readonly CommandFailure[];
  /** Those of daemons, not of folders. */
  readonly silent: readonly CommandFailure[];
}

/** Asks all daemons that are to be shown. `before`: the samples of the last time. Fails where there are none. */
export async function look(name: string | undefined, before: readonly Sample[] = []): Promise<Look> {
  const { found, failures, silent } = await findAnswers<RoleStatus>(name, { command: 'status' });
  const at = performance.now();
  return { samples: await Promise.all(found.map((one) => sampleOf(one, at, before))), failures, silent };
}

/** Asks the same daemons again after this time, so that there are rates. */
export async function lookAgain({ samples, ...rest }: Look, afterMs: number): Promise<Look> {
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  return { ...rest, samples: await Promise.all(samples.map(again)) };
}

/** Numbers per second; undefined where there was no sample before. */
export function rateOf(sample: Sample, numberOf: (status: RoleStatus) => number): number | undefined {
  const { before, at, status } = sample;
  if (before === undefined || at <= before.at) return undefined;
  return Math.max(0, (numberOf(status) - numberOf(before.status)) / ((at - before.at) / 1_000));
}

/** Of a client or relay. An earlier version has none. */
export function trafficOf(status: RoleStatus): Traffic | undefined {
  return status.role === 'server' ? undefined : (status.traffic as Traffic | undefined);
}

async function again(sample: Sample): Promise<Sample> {
  const [status] = await askAgain<RoleStatus>([sample.path], { command: 'status' });
  if (status?.pid !== sample.status.pid) return sample;
  return { ...sample, status, at: performance.now(), before: sample };
}

async function sampleOf(
  { path, answer: status }: AnswerAt<RoleStatus>,
  at: number,
  samples: readonly Sample[],
): Promise<Sample> {
  const last = samples.find((one) => one.path === path && one.status.pid === status.pid);
  const before = last === undefined ? undefined : { ...last, before: undefined };
  return { path, status, at, before, means: await meansOf(path, status) };
}

async function meansOf(path: string, status: RoleStatus): Promise<Map<PeerMeans, number>> {
  const counts = new Map<PeerMeans, number>();
  if (status.role !== 'client' || status.state !== 'qualified') return counts;
  const [answer] = await askAgain<PeersStatus>([path], { command: 'peers', limit: PEERS });
  for (const { means } of Array.isArray(answer?.peers) ? answer.peers : [])
    if (means !== undefined) counts.set(means, (counts.get(means) ?? 0) + 1);
  return counts;
}
