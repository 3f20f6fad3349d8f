import type { LookupAddress } from 'node:dns';
import { lookup as lookupAll } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';

/** The addresses of a name are kept for so long. */
const KEPT_MS = 5_000;

/** The addresses of a service. However many peers want it at once, its name is looked up once: a look-up needs one of few threads. */
export class ServiceAddresses {
  private readonly find: () => Promise<LookupAddress[]>;
  private found: Promise<LookupAddress[]> | undefined;
  private until = 0;

  constructor(host: string, find = () => lookupAll(host, { all: true })) {
    this.find = find;
  }

  /** At least one. Rejects with the reason of the system. */
  get(): Promise<LookupAddress[]> {
    if (this.found === undefined || performance.now() >= this.until) {
      this.until = Infinity;
      this.found = this.find().finally(() => (this.until = performance.now() + KEPT_MS));
    }
    return this.found;
  }

  /** For `net.connect`. */
  readonly lookup: LookupFunction = (_, { all }, callback) => void this.answer(all === true, callback);

  /** Never rejects. */
  private async answer(all: boolean, callback: Parameters<LookupFunction>[2]): Promise<void> {
    let found: LookupAddress[];
    try {
      found = await this.get();
    } catch (error) {
      return callback(error as NodeJS.ErrnoException, [], 0);
    }
    if (all) callback(null, found);
    else callback(null, found[0]!.address, found[0]!.family);
  }
}
