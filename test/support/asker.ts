import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { toHex } from '../../src/wire/index.ts';
import { solicitation } from './server-rig.ts';

const PROGRAM = fileURLToPath(new URL('../attack/attacker/ask.mjs', import.meta.url));
const STEP_MS = 20;

/** A host that sends a server ten datagrams a second until disposal. */
export class Asker {
  private readonly running: Running;

  /** `from` and `to`: IPv4 addresses. */
  constructor(host: Namespace, from: string, to: string, payload: Uint8Array = solicitation()) {
    this.running = host.spawn(process.execPath, [PROGRAM, from, to, '3544', toHex(payload)]);
  }

  /** Waits for one more answer. */
  async isAnswered(withinMs = 3_000): Promise<boolean> {
    const { answers } = this;
    return await this.holds(withinMs, () => this.answers > answers);
  }

  /** Waits until there has been no answer for `silenceMs`; the last answer must come within `delayMs`. */
  async silentWithin(delayMs: number, silenceMs: number): Promise<void> {
    const begun = performance.now();
    let [answers, lastAt] = [this.answers, begun];
    const isSilent = await this.holds(delayMs + silenceMs + 1_000, () => {
      const now = performance.now();
      if (this.answers > answers) [answers, lastAt] = [this.answers, now];
      return now - lastAt >= silenceMs;
    });
    expect(isSilent).toBe(true);
    expect(lastAt - begun).toBeLessThanOrEqual(delayMs);
  }

  /** Fails if there is no answer for a second, within this time. */
  async answeredFor(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    while (performance.now() < end) expect(await this.isAnswered(1_000)).toBe(true);
  }

  private get answers(): number {
    return this.running.output.length;
  }

  private async holds(withinMs: number, condition: () => boolean): Promise<boolean> {
    const end = performance.now() + withinMs;
    while (!condition()) {
      if (performance.now() > end) return false;
      await sleep(STEP_MS);
    }
    return true;
  }
}
