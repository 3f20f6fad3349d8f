import type { HeavyUser, RoleStatus } from '../../control/status.ts';
import { formatOctets, formatSpan } from '../../control/words.ts';
import { dataPathRows } from '../data-path.ts';
import type { Row } from './rows.ts';

/** The further rows of `--verbose`: settings, uplinks, and each counter that is not 0. */
export function furtherRows(status: RoleStatus): Row[] {
  const counters = Object.entries(status.counters).filter(([, count]) => count > 0);
  return [
    ...clientRows(status),
    ...relayRows(status),
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

/** The largest users of the last minute. */
function relayRows(status: RoleStatus): Row[] {
  if (status.role === 'client' || status.role === 'server') return [];
  const { largestPeer: peer, largestPrefix: prefix } = status;
  return [
    ...(peer === undefined ? [] : [userRow('largest client', `${peer.address} (${peer.mapped})`, peer)]),
    ...(prefix === undefined ? [] : [userRow('largest prefix', prefix.prefix, prefix)]),
  ];
}

function userRow(name: string, user: string, { receivedBytes, sentBytes, share }: HeavyUser): Row {
  const octets = formatOctets(receivedBytes + sentBytes);
  return [name, `${user}: ${octets} in the last minute, ${Math.round(100 * share)} %`];
}
