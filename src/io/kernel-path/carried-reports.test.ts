import { expect, test } from 'vitest';
import { v6 } from '../../../test/support/client-rig.ts';
import { emptyCarried } from '../../linux/bpf/peer-map.ts';
import { CarriedReports } from './carried-reports.ts';

const PEER = v6('2001:0:cb00:7178::1');

test('a report that arrives while a batch is handed over comes whole with the next batch', () => {
  const sent: number[] = [];
  const taken = (sentPackets: number): void =>
    reports.addTaken(PEER, 0, { ...emptyCarried(), sentPackets, lastSent: 1 });
  const reports = new CarriedReports(
    (ns) => ns,
    ({ count, sentPackets }) => {
      // As if the machine removed a peer because of a report.
      if (sent.length === 0) for (let i = 0; i < 300; i++) taken(1_000 + i);
      sent.push(...sentPackets.subarray(0, count));
    },
  );
  taken(1);
  taken(2);
  reports.flush();
  expect(sent).toEqual([1, 2]);
  reports.flush();
  reports.flush();
  expect(sent).toEqual([1, 2, ...Array.from({ length: 300 }, (_, i) => 1_000 + i)]);
});
