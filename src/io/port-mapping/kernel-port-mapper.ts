import type { Subnet } from '../../core/address-policy.ts';
import type { MapAnswer, PortMapper, PortMapperOptions, PortMapping } from '../ports.ts';
import { within } from '../deadline.ts';
import { listenToGateway } from './announcements.ts';
import { MappingFile } from './mapping-file.ts';
import { allProtocols } from './all-protocols.ts';
import type { Protocol } from './protocol.ts';
import { isUsable } from './usable.ts';
import { wayToGateway } from './way-to-gateway.ts';

/** Returns a function that ends it. */
type Listen = (onAnnouncement: (announcement: Uint8Array) => void) => () => void;

/**
 * The limit of one step, longer than its requests take together (two of 2 s each). A protocol that never settles delays neither the others
 * nor the end.
 */
const STEP_MOST_MS = 5_000;
/** Mapping the port takes more requests: UPnP may search for the gateway again, and ask four services. */
const MAP_MOST_MS = 30_000;

/** When one protocol has found a gateway, better protocols get this much more time. */
const BETTER_MS = 50;

/** Whether this host has lacked descriptors or memory for a request. A request may fail before the mapper exists. */
interface Shortage {
  had: boolean;
}

/**
 * Looks for a gateway in all protocols at once, and has it map the port in the first protocol that succeeds:
 *
 *     PCP, NAT-PMP, UPnP IGD    in this order if several are found at about the same time
 */
export class KernelPortMapper implements PortMapper {
  readonly asked: Promise<boolean>;
  private readonly protocols: readonly Protocol[];
  private readonly file: MappingFile;
  private readonly search: AbortController;
  private readonly listen: Listen;
  private endListening: (() => void) | undefined;
  private underway: Promise<MapAnswer> | undefined;
  private inUse: Protocol | undefined;
  private readonly shortage: Shortage;

  /** `protocols`: the best first. `search`: ends their search. `listen`: receives the gateway's announcements. */
  constructor(
    protocols: readonly Protocol[],
    file: MappingFile,
    search = new AbortController(),
    listen: Listen = () => () => undefined,
    shortage: Shortage = { had: false },
  ) {
    this.protocols = protocols;
    this.file = file;
    this.search = search;
    this.listen = listen;
    this.shortage = shortage;
    const asked = protocols.map((protocol) => within(STEP_MOST_MS, protocol.asked, undefined));
    this.asked = Promise.all(asked).then((answers) => answers.some((answer) => answer !== undefined));
  }

  static open(
    { local, destination, file }: PortMapperOptions,
    subnets: readonly Subnet[],
  ): KernelPortMapper | undefined {
    const way = wayToGateway(local, destination);
    if (way === undefined) return undefined;
    const search = new AbortController();
    const shortage = { had: false };
    const onShortage = (): void => {
      shortage.had = true;
    };
    const protocols = allProtocols({ ...way, onShortage }, local.port, subnets, search.signal);
    const listen: Listen = (onAnnouncement) => listenToGateway(way, onAnnouncement);
    return new KernelPortMapper(protocols, new MappingFile(file), search, listen, shortage);
  }

  get hadShortage(): boolean {
    return this.shortage.had;
  }

  map(): Promise<MapAnswer> {
    return (this.underway = this.findAndMap());
  }

  watch(onForgotten: () => void): void {
    this.endListening ??= this.listen((announcement) => {
      // All protocols get it: each compares it with its own latest message.
      const forgotten = this.protocols.filter((protocol) => protocol.hasForgotten(announcement));
      if (forgotten.length > 0) onForgotten();
    });
  }

  async release(): Promise<void> {
    this.search.abort();
    this.endListening?.();
    if (this.underway !== undefined) await within(STEP_MOST_MS, this.underway, undefined);
    const { inUse } = this;
    this.inUse = undefined;
    if (inUse === undefined) return;
    if (await release(inUse)) this.file.remove(inUse.made);
  }

  private async findAndMap(): Promise<MapAnswer> {
    if (this.inUse !== undefined) {
      const mapping = await map(this.inUse);
      return mapping === 'silent' || isOpen(mapping) ? mapping : undefined;
    }
    const searches = this.protocols.map((protocol) => ({
      protocol,
      found: within(STEP_MOST_MS, protocol.find(), false),
    }));
    await this.cleanUp(searches);
    for await (const protocol of inOrder(searches)) {
      if (this.search.signal.aborted) return undefined;
      this.file.write(protocol.made); // written before the request: a crash right after it must not lose the mapping
      const mapping = await map(protocol);
      if (isOpen(mapping)) {
        this.inUse = protocol;
        return mapping;
      }
      // The mapping is unusable, or it may have been made. E-44
      if (mapping === undefined || (await release(protocol))) this.file.remove(protocol.made);
    }
    return undefined;
  }

  /**
   * Releases the mappings that an earlier process left, in all protocols: the new mapping may have the same port, in whatever protocol.
   * E-40, E-53
   */
  private async cleanUp(searches: readonly Search[]): Promise<void> {
    const left = this.file.read();
    await Promise.all(
      searches.map(async ({ protocol, found }) => {
        const its = left.filter((made) => made.protocol === protocol.name);
        if (its.length === 0 || !(await found)) return;
        for (const made of its) {
          // A gateway that does not answer one request is not asked again; the mapping stays in the file.
          if (this.search.signal.aborted || !(await release(protocol, made))) return;
          this.file.remove(made);
        }
      }),
    );
  }
}

interface Search {
  readonly protocol: Protocol;
  /** Whether a gateway speaks the protocol. */
  readonly found: Promise<boolean>;
}

/** Yields protocols in the order in which their gateways are found; of those found at about the same time the best first. */
async function* inOrder(searches: readonly Search[]): AsyncGenerator<Protocol> {
  const protocols = searches.map(({ protocol }) => protocol);
  const waiting = new Map(
    searches.map(({ protocol, found }) => [protocol, found.then((is) => ({ protocol, is }))]),
  );
  const ready = new Set<Protocol>();
  while (waiting.size > 0 || ready.size > 0) {
    if (ready.size === 0) take(await Promise.race(waiting.values()));
    if (ready.size === 0) continue;
    const over = new Promise<undefined>((resolve) => setTimeout(resolve, BETTER_MS, undefined));
    for (;;) {
      const best = protocols.find((one) => waiting.has(one) || ready.has(one))!;
      const next = ready.has(best) ? undefined : await Promise.race([...waiting.values(), over]);
      if (next === undefined) break;
      take(next);
    }
    const best = protocols.find((one) => ready.has(one))!;
    ready.delete(best);
    yield best;
  }

  function take({ protocol, is }: { protocol: Protocol; is: boolean }): void {
    waiting.delete(protocol);
    if (is) ready.add(protocol);
  }
}

function map(protocol: Protocol): Promise<MapAnswer> {
  return within(MAP_MOST_MS, protocol.map(), 'silent');
}

function release(protocol: Protocol, made = protocol.made): Promise<boolean> {
  return within(STEP_MOST_MS, protocol.release(made), false);
}

function isOpen(mapping: MapAnswer): mapping is PortMapping {
  return mapping !== undefined && mapping !== 'silent' && isUsable(mapping.external);
}
