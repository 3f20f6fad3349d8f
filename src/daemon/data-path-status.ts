import type { DataPath } from '../control/status.ts';
import type { CarriedTotals, DataPath as DataPathInUse } from '../runtime/data-path-use.ts';

/** For `teredo status`. */
export function dataPathStatus(role: {
  readonly dataPath: DataPathInUse;
  readonly carried?: CarriedTotals | undefined;
}): DataPath {
  const { dataPath } = role;
  const why = reasonOf(dataPath);
  const reason = why === undefined ? undefined : { reason: why };
  if (role.carried === undefined) return { inUse: dataPath.kind, ...reason };
  const { counters, uplinks, ...carried } = role.carried;
  const known = uplinks.length === 0 ? undefined : { uplinks };
  return { inUse: dataPath.kind, ...reason, carried, ...known, counters };
}

/** In one line, for people. */
export function dataPathInWords(dataPath: DataPathInUse): string {
  const reason = reasonOf(dataPath);
  return reason === undefined ? dataPath.kind : `${dataPath.kind} (${reason})`;
}

function reasonOf(dataPath: DataPathInUse): string | undefined {
  return dataPath.kind === 'user' ? dataPath.reason : dataPath.unknown;
}
