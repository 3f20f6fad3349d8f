import { PeerMap } from '../../linux/bpf/peer-map.ts';
import { sys } from '../../linux/libc.ts';
import { countSystemFailure } from '../../linux/system-failures.ts';
import type { Clock } from '../ports.ts';
import type { CarriedReports } from './carried-reports.ts';
import { InTurns } from './in-turns.ts';
import type { RingReading } from './ring-reading.ts';

/** What a kernel path that has ended has not handed over yet. */
export interface LastCounts {
  /** Of the table of peers; it is closed at the end. */
  readonly table: number;
  readonly reading: RingReading;
  /** Reports that the ring has room for. */
  readonly room: number;
  readonly closeRing: () => void;
}

/**
 * Hands over the reports in a ring and the counts in a table that no program uses any more, some in each turn of the event loop, and closes
 * both.
 */
export function readLastCounts(last: LastCounts, reports: CarriedReports, clock: Clock): void {
  const end = (): void => {
    last.closeRing();
    sys.close(last.table);
  };
  const orEnd = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      countSystemFailure(error); // the other counts are lost
      end();
    }
  };
  const turns = new InTurns(clock, orEnd);
  orEnd(() => turns.begin(handOver(last, reports, clock), end));
}

function* handOver(last: LastCounts, reports: CarriedReports, clock: Clock): Generator<void> {
  yield* lastReports(last, reports, clock);
  for (const _ of new PeerMap(last.table).clear((peer, carried) => reports.addTaken(peer, 0, carried))) {
    reports.flush();
    yield;
  }
}

/** As many at each step as are read in one turn. */
export function* lastReports(
  { reading, room }: Pick<LastCounts, 'reading' | 'room'>,
  reports: Pick<CarriedReports, 'flush'>,
  clock: Pick<Clock, 'now'>,
): Generator<void> {
  for (const _ of reading.readInTurns(() => clock.now(), room)) {
    reports.flush();
    yield;
  }
  reports.flush();
  yield;
}
