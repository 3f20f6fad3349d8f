import type { Requester } from '../contacts.ts';
import type { LimitHits, LimitName } from '../limit-hits.ts';
import { NO_PEER } from '../peer-table.ts';
import type { PeerTable } from '../peer-table.ts';
import { SOURCE, isTeredo, mappedAddressOf, mappedPortOf, readUint32 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';

/** Who sent the packet at `start`: a native host, or a client that meets others here and has shown where it is. */
export function wanterOf(peers: PeerTable, buffer: Uint8Array, start: number): Requester {
  const at = start + SOURCE;
  if (isTeredo(buffer, at)) {
    const client = peers.find(buffer, at);
    if (client !== NO_PEER) return wanterAt(peers.mappedAddress[client]!, peers.mappedPort[client]!);
    return wanterAt(mappedAddressOf(buffer, at), mappedPortOf(buffer, at));
  }
  return [
    readUint32(buffer, at),
    readUint32(buffer, at + 4),
    readUint32(buffer, at + 8),
    readUint32(buffer, at + 12),
  ];
}

/** A client that wants others: by where it is, since its Teredo address is of its own making. No native host's /64 begins with 0. */
export function wanterAt(address: Ipv4, port: number): Requester {
  return [0, address, 0, port];
}

/** A limit is reached by one that wants bubbles. */
export function noteWanter(hits: LimitHits, limit: LimitName, [high, low]: Requester): void {
  if (high === 0) hits.ipv4(limit, low);
  else hits.network(limit, high, low);
}
