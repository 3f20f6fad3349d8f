import { Option } from 'commander';
import type { DataPath, UplinkStatus } from '../control/status.ts';
import type { DataPathWish } from '../runtime/data-path-use.ts';

/** `--data-path`; `what`: it is that the kernel, or this program, does. */
export function dataPathOption(what = 'carries the packets of verified peers'): Option {
  const wishes: readonly DataPathWish[] = ['auto', 'kernel', 'user'];
  return new Option(
    '--data-path <path>',
    `who ${what}; auto: the kernel where it can, else this program, and "teredo status" says why`,
  )
    .choices(wishes)
    .default('auto');
}

/** The rows of `teredo status`. */
export function dataPathRows({ inUse, reason, carried, uplinks, counters }: DataPath): [string, string][] {
  const rows: [string, string][] = [['data path', reason === undefined ? inUse : `${inUse} (${reason})`]];
  for (const uplink of uplinks ?? []) rows.push([`uplink ${uplink.interface}`, uplinkInWords(uplink)]);
  if (carried === undefined) return rows;
  rows.push(
    ['peers in the kernel', String(carried.peers)],
    ['carried in', `${carried.receivedPackets} packets, ${carried.receivedBytes} bytes`],
    ['carried out', `${carried.sentPackets} packets, ${carried.sentBytes} bytes`],
  );
  for (const [name, count] of Object.entries(counters ?? {}))
    if (count > 0) rows.push([`kernel ${name}`, String(count)]);
  return rows;
}

function uplinkInWords({ kind, carried, reason }: UplinkStatus): string {
  const words = carried === 'none' ? 'not carried' : 'carried';
  const separator = carried === 'none' ? ':' : ',';
  return `${kind === '' ? '' : `${kind}, `}${words}${reason === undefined ? '' : `${separator} ${reason}`}`;
}
