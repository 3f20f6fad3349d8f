import { PeerMap } from '../../linux/bpf/peer-map.ts';
import { sys } from '../../linux/libc.ts';
import { countSystemFailure } from '../../linux/system-failures.ts';
import type { Clock } from '../ports.ts';
import type { CarriedReports } from './carried-reports.ts';
import { InTurns } from './in-turns.ts';

/** Hands over the counts in a table that no program uses any more, some in each turn of the event loop, and closes its descriptor. */
export function readLastCounts(fd: number, reports: CarriedReports, clock: Clock): void {
  const orEnd = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      countSystemFailure(error); // the other counts are lost
      sys.close(fd);
    }
  };
  const turns = new InTurns(clock, orEnd);
  orEnd(() => turns.begin(takeOut(new PeerMap(fd), reports), () => void sys.close(fd)));
}

function* takeOut(peers: PeerMap, reports: CarriedReports): Generator<void> {
  for (const _ of peers.clear((peer, carried) => reports.addTaken(peer, 0, carried))) {
    reports.flush();
    yield;
  }
}
