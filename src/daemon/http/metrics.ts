import type { HttpAsker } from '../../control/http-stream.ts';
import type { PeerMeans } from '../../core/client/index.ts';
import type { RecentEvents } from '../recent-events.ts';
import { EventLoopDelay } from './event-loop.ts';
import { expositionOf } from './exposition.ts';
import { samplesOfEvents, samplesOfMeans, samplesOfProcess, samplesOfStatus } from './sample.ts';
import type { Sample } from './sample.ts';
import type { HttpSource } from './source.ts';
import { VERSION } from './version.ts';

/** How long peers are counted at a time. */
const PIECE_MS = 1;
const MEANS: readonly PeerMeans[] = ['relay', 'direct', 'local', 'nonce', 'random-port', 'guess', 'met'];

/** The metrics of a daemon as the text of Prometheus, collected when they are asked for. */
export class Metrics {
  private readonly source: HttpSource;
  private readonly events: RecentEvents;
  private readonly delay = new EventLoopDelay();

  constructor(source: HttpSource, events: RecentEvents) {
    this.source = source;
    this.events = events;
  }

  /** Undefined where the asker has gone. */
  async text(asker: HttpAsker): Promise<string | undefined> {
    const means = await this.countMeans(asker);
    const { name, role } = this.source;
    const samples = await asker.turn(() => [...this.samplesNow(), ...means]);
    if (samples === undefined) return undefined;
    return asker.turn(() => expositionOf({ role, daemon: name }, samples));
  }

  private samplesNow(): Sample[] {
    return [
      ...samplesOfProcess(VERSION, this.delay.read(performance.now())),
      ...samplesOfStatus(this.source.status()),
      ...samplesOfEvents(this.events),
    ];
  }

  /** There may be many peers: they are counted a few at a time. */
  private async countMeans(asker: HttpAsker): Promise<Sample[]> {
    const left = this.source.means?.()[Symbol.iterator]();
    if (left === undefined) return [];
    const counts = new Map(MEANS.map((means) => [means, 0]));
    while ((await asker.turn(() => countPiece(left, counts))) === false);
    return samplesOfMeans(counts);
  }
}

/** Whether all are counted. */
function countPiece(left: Iterator<PeerMeans | undefined>, counts: Map<PeerMeans, number>): boolean {
  const begun = performance.now();
  while (performance.now() - begun < PIECE_MS) {
    const { done, value } = left.next();
    if (done === true) return true;
    if (value !== undefined) counts.set(value, counts.get(value)! + 1);
  }
  return false;
}
