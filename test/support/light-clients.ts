import { fileURLToPath } from 'node:url';
import type { Namespace, Running } from '../../src/lab/index.ts';

const SCRIPT = fileURLToPath(new URL('light-clients.mjs', import.meta.url));

export interface ClientLosses {
  readonly sent: number;
  readonly lost: number;
  /** Of one client. */
  readonly mostLost: number;
  /** Between two answers to one client. */
  readonly longestPauseMs: number;
  /** Between a client's first ping and its answer. */
  readonly slowestFirstMs: number;
}

export interface LightOptions {
  readonly count: number;
  /** Of the host. */
  readonly address: string;
  readonly server: string;
  readonly native: string;
  readonly everyMs: number;
  /** Between the first pings of two clients. */
  readonly apartMs?: number;
  /** Between a bubble to a client and its answer. */
  readonly thinkMs?: number;
}

/** Many Teredo clients in one process, which ping a native host. They hold no tunnel and know no peer but the relay. */
export class LightClients {
  private readonly running: Running;

  private constructor(running: Running) {
    this.running = running;
  }

  /** Resolves once each client has had an answer, or this many. */
  static async start(
    host: Namespace,
    options: LightOptions,
    answered = options.count,
  ): Promise<LightClients> {
    const clients = new LightClients(host.spawn(process.execPath, [SCRIPT, JSON.stringify(options)]));
    await clients.answered(answered);
    return clients;
  }

  async answered(count: number): Promise<void> {
    await this.running.waitFor(new RegExp(`answered ${count}\\n`), 30_000);
  }

  /** Ends them. */
  async losses(): Promise<ClientLosses> {
    await this.running.stop();
    const [, losses] = /losses (.*)/.exec(this.running.output)!;
    return JSON.parse(losses!) as ClientLosses;
  }
}
