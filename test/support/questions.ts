import { fileURLToPath } from 'node:url';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { toHex } from '../../src/wire/index.ts';
import { solicitation } from './server-rig.ts';
import { stopwatch } from './stopwatch.ts';

const SCRIPT = fileURLToPath(new URL('questions.mjs', import.meta.url));

/** Answers that come later than this after the last solicitation count as lost. */
const LATE_MS = 2_000;
const LOOK_MS = 50;

/** Without identifier and value; the nonce is zero. */
const AUTHENTICATION = Uint8Array.of(0, 1, 0, 0, ...Array(9).fill(0));

/** The solicitations to one address of a server. */
export interface Answered {
  readonly to: string;
  readonly sent: number;
  /** Without an answer. */
  readonly lost: number;
  /** From a solicitation to its answer. */
  readonly longestMs: number;
}

/** Numbered solicitations to each address of a server, one every `everyMs`. */
export class Questions {
  private readonly running: Running;

  private constructor(running: Running) {
    this.running = running;
  }

  /** Resolves once each address has answered. `from` and `to`: IPv4 addresses. */
  static async start(
    host: Namespace,
    from: string,
    to: readonly string[],
    everyMs: number,
  ): Promise<Questions> {
    const hex = toHex(Uint8Array.of(...AUTHENTICATION, ...solicitation()));
    const running = host.spawn(process.execPath, [SCRIPT, from, hex, String(everyMs), ...to]);
    await running.waitFor(new RegExp(`(answered[^]*){${to.length}}`), 30_000);
    return new Questions(running);
  }

  /** Ends them. A server that others keep from running answers late, and that is no loss: the time for which `server` waits for a processor is left out. */
  async results(server: number): Promise<readonly Answered[]> {
    const watch = stopwatch(() => [server]);
    this.running.kill();
    const looks = setInterval(() => watch() > LATE_MS && this.running.kill(), LOOK_MS);
    const [, results] = await this.running
      .waitFor(/results (.*)\n/, 60_000)
      .finally(() => clearInterval(looks));
    await this.running.exited;
    return JSON.parse(results!) as Answered[];
  }
}
