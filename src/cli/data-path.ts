import type { DataPath, UplinkStatus } from '../control/status.ts';
import { counted } from '../runtime/counted.ts';

/** The rows of `teredo status`. */
export function dataPathRows({ inUse, reason, carried, uplinks, counters }: DataPath): [string, string][] {
  const rows: [string, string][] = [['data path', reason === undefined ? inUse : `${inUse} (${reason})`]];
  for (const uplink of uplinks ?? []) rows.push([`uplink ${uplink.interface}`, uplinkInWords(uplink)]);
  if (carried === undefined) return rows;
  rows.push(
    ['peers in the kernel', String(carried.peers)],
    [
      'carried in',
      `${counted(carried.receivedPackets, 'packet')}, ${counted(carried.receivedBytes, 'byte')}`,
    ],
    ['carried out', `${counted(carried.sentPackets, 'packet')}, ${counted(carried.sentBytes, 'byte')}`],
  );
  for (const [name, count] of Object.entries(counters ?? {}))
    if (count > 0) rows.push([`kernel ${name}`, String(count)]);
  return rows;
}

function uplinkInWords({ kind, carried, reason, ...driver }: UplinkStatus): string {
  const words = carried === 'none' ? 'not carried' : 'carried';
  const separator = carried === 'none' ? ':' : ',';
  return `${kind === '' ? '' : `${kind}, `}${words}${reason === undefined ? '' : `${separator} ${reason}`}${xdpInWords(driver)}`;
}

function xdpInWords({
  xdp,
  withoutXdp,
  ...merging
}: Omit<UplinkStatus, 'interface' | 'kind' | 'carried' | 'reason'>): string {
  if (xdp === undefined) return '';
  return xdp ? '; XDP in the driver' : `${mergingInWords(merging)}; no XDP: ${withoutXdp}`;
}

function mergingInWords({
  merging,
  withoutMerging,
}: Pick<UplinkStatus, 'merging' | 'withoutMerging'>): string {
  if (merging === undefined) return '';
  return merging ? '; segments are merged' : `; segments are not merged: ${withoutMerging}`;
}
