import { fileURLToPath } from 'node:url';
import type { Namespace, Running } from '../../src/lab/index.ts';

export interface Question {
  /** Number of the socket that asks. */
  readonly from: number;
  readonly to: string;
  /** Number of the other side's socket that answers, too, before the one that was asked. */
  readonly also?: number;
}

export interface Result {
  /** Address and port that the other side saw. */
  readonly seen: string;
  /** Whether an answer came from another address or port than was asked. */
  readonly other: boolean;
}

/** Starts a host that answers questions over UDP, on these addresses and ports. */
export async function answerOn(host: Namespace, ...sockets: string[]): Promise<void> {
  await start(host, sockets, []).waitFor(/listening/);
}

/** Asks the questions one after another, from sockets with these ports. The sockets stay open, and answer. */
export async function ask(host: Namespace, ports: number[], questions: Question[]): Promise<Result[]> {
  const sockets = ports.map((port) => `0.0.0.0:${port}`);
  const [, results] = await start(host, sockets, questions).waitFor(/results (.*)/);
  return JSON.parse(results!) as Result[];
}

const SCRIPT = fileURLToPath(new URL('udp-peer.mjs', import.meta.url));

function start(host: Namespace, sockets: string[], questions: Question[]): Running {
  return host.spawn(process.execPath, [SCRIPT, JSON.stringify({ sockets, questions })]);
}
