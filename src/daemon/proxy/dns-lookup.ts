import { Resolver as DnsResolver } from 'node:dns/promises';
import { within } from '../../io/deadline.ts';
import { hostOf } from '../../wire/proxy-target.ts';
import type { Failure } from './answers.ts';
import type { Address } from './resolver.ts';

/** A name server has answered by then: it is asked three times, and is given twice as long each time. */
const [ANSWER_MS, TRIES] = [2_000, 3];
/** When addresses of one family have come, those of the other are awaited so long. */
const OTHER_MS = 1_000;

export interface DnsOptions {
  readonly hasIpv4: boolean;
  /** Default: those of /etc/resolv.conf. */
  readonly servers?: readonly string[] | undefined;
}

/**
 * Asks the name servers for the addresses of a name, with sockets and without a thread. Each look-up has its own port, which a forged answer must
 * guess.
 */
export class DnsLookup {
  private readonly options: DnsOptions;
  private current: DnsResolver | undefined;
  private stopped = false;

  constructor(options: DnsOptions) {
    this.options = options;
  }

  /** Of the first of these names that has any. Never rejects. */
  async addressesOf(names: readonly string[]): Promise<readonly Address[] | Failure> {
    let result: readonly Address[] | Failure = 'not-found';
    for (const name of names) {
      if (this.stopped) return 'failed';
      result = await this.ask(name).catch(failureIn);
      if (result !== 'not-found') return result;
    }
    return result;
  }

  /** Harmless when repeated. */
  stop(): void {
    this.stopped = true;
    this.current?.cancel();
  }

  /** Rejects with the errors of both families. */
  private async ask(name: string): Promise<readonly Address[]> {
    const { hasIpv4, servers } = this.options;
    const dns = new DnsResolver({ timeout: ANSWER_MS, tries: TRIES });
    this.current = dns;
    if (servers !== undefined) dns.setServers(servers);
    const questions = [dns.resolve6(name), ...(hasIpv4 ? [dns.resolve4(name)] : [])];
    await Promise.any(questions);
    const answers = await Promise.all(questions.map((question) => within(OTHER_MS, question, [])));
    dns.cancel();
    const found = answers.flat().map((text) => hostOf(text));
    return found.filter((host) => host !== undefined) as Address[];
  }
}

function failureIn(error: unknown): Failure {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  const codes = errors.map((one) => (one as NodeJS.ErrnoException).code);
  if (codes.every((code) => code === 'ENOTFOUND' || code === 'ENODATA')) return 'not-found';
  return codes.includes('ETIMEOUT') ? 'timed-out' : 'failed';
}
