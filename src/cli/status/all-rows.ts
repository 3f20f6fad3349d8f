import type { RoleStatus } from '../../control/status.ts';
import { formatSpan } from '../../control/words.ts';
import { dataPathRows } from '../data-path.ts';
import type { Row } from './rows.ts';

/** The further rows of `--verbose`: settings, uplinks, and each counter that is not 0. */
export function furtherRows(status: RoleStatus): Row[] {
  const counters = Object.entries(status.counters).filter(([, count]) => count > 0);
  return [
    ...clientRows(status),
    ...dataPathRows(status.dataPath),
    ...counters.map(([name, count]): Row => [name, String(count)]),
  ];
}

function clientRows(status: RoleStatus): Row[] {
  if (status.role !== 'client') return [];
  return [
    ['port', String(status.port)],
    ['refresh', formatSpan(status.refreshIntervalSeconds)],
  ];
}
