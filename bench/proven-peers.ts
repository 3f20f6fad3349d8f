/**
 * Tells a kernel path that the paths of its peers are proven, as their answers to its echo requests would, and that its socket has just
 * received and sent a sample of each. Without that every packet of a peer that sends less than one in 8 s is a sample, by the rule that the
 * host's firewall takes effect within 15 s: a million peers, at the rate that this machine can make, would measure the user path.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { LONG_UNIT_SHIFT, PEER, ROUTE_WAY_SHIFT, UNIT_SHIFT, WAY } from '../src/linux/bpf/layout.ts';
import { check, libbpf } from '../src/linux/bpf/libbpf.ts';
import { E, Memory } from '../src/linux/libc.ts';

/** The octets of a peer's address. */
const KEY = 16;
const BATCH = 4_096;

/** Of the kernel path in this process. Returns how many it has. */
export function provePeers(): number {
  const table = tableOfPeers();
  const [place, keys, values] = [new Memory(8), new Memory(BATCH * KEY), new Memory(BATCH * PEER.SIZE)];
  const count = place.address + 4;
  let proven = 0;
  for (let from = 0, isLast = false; !isLast; from = place.address) {
    place.view.setUint32(4, BATCH, true);
    const read = libbpf().lookupBatch(table, from, place.address, keys.address, values.address, count, 0);
    isLast = read === -E.ENOENT;
    if (!isLast) check('bpf_map_lookup_batch', read);
    const found = place.view.getUint32(4, true);
    const now = Number(process.hrtime.bigint());
    for (let i = 0; i < found; i++) prove(values.view, i * PEER.SIZE, now);
    if (found > 0)
      check('bpf_map_update_batch', libbpf().updateBatch(table, keys.address, values.address, count, 0));
    proven += found;
  }
  return proven;
}

function prove(view: DataView, at: number, now: number): void {
  const uplink = view.getUint8(at + PEER.route) & ((1 << ROUTE_WAY_SHIFT) - 1);
  const units = Math.floor(now / 2 ** UNIT_SHIFT) >>> 0;
  const longUnits = Math.floor(now / 2 ** LONG_UNIT_SHIFT) & 0xffff;
  view.setUint8(at + PEER.route, uplink | (WAY.checked << ROUTE_WAY_SHIFT));
  view.setUint32(at + PEER.lastNotice, units, true);
  view.setUint16(at + PEER.socketHeard, longUnits, true);
  view.setUint16(at + PEER.lastSampleOut, longUnits, true);
}

/** The descriptor of the largest map of this process with such keys and values. */
function tableOfPeers(): number {
  const maps = readdirSync('/proc/self/fdinfo').flatMap((fd) => {
    const info = infoOf(fd);
    const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(info)?.[1]);
    return of('key_size') === KEY && of('value_size') === PEER.SIZE
      ? [{ fd, entries: of('max_entries') }]
      : [];
  });
  maps.sort((a, b) => b.entries - a.entries);
  if (maps[0] === undefined) throw new Error('this process has no table of peers');
  return Number(maps[0].fd);
}

function infoOf(fd: string): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  } catch {
    return ''; // closed meanwhile
  }
}
