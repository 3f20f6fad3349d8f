import type { Requester } from '../payments.ts';
import type { LimitHits, LimitName } from '../limit-hits.ts';
import { NO_PEER } from '../peer-table.ts';
import type { PeerTable } from '../peer-table.ts';
import { SOURCE, isTeredo, mappedAddressOf, mappedPortOf, readUint32 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';

/** The sender of the packet at `start`: a native host, or a client that reaches other clients through this relay. */
export function requesterOf(peers: PeerTable, buffer: Uint8Array, start: number): Requester {
  const at = start + SOURCE;
  if (isTeredo(buffer, at)) {
    const client = peers.find(buffer, at);
    if (client !== NO_PEER) return requesterAt(peers.mappedAddress[client]!, peers.mappedPort[client]!);
    return requesterAt(mappedAddressOf(buffer, at), mappedPortOf(buffer, at));
  }
  return [
    readUint32(buffer, at),
    readUint32(buffer, at + 4),
    readUint32(buffer, at + 8),
    readUint32(buffer, at + 12),
  ];
}

/** A client that asks for other clients, by outer address and port, since it can choose its Teredo address. No native /64 begins with 0. */
export function requesterAt(address: Ipv4, port: number): Requester {
  return [0, address, 0, port];
}

/** Notes that a requester has reached a limit. */
export function noteRequester(hits: LimitHits, limit: LimitName, [high, low]: Requester): void {
  if (high === 0) hits.ipv4(limit, low);
  else hits.network(limit, high, low);
}
