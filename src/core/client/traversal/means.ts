import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import type { PeerMeans } from '../status.ts';
import { isTeredo, mappedAddressOf, mappedPortOf } from '../../../wire/index.ts';
import type { PeerPath } from './peer-path.ts';

/** How a trusted peer is reached, by its place and its path. */
export function meansOf(context: ClientContext, path: PeerPath | undefined, peer: number): PeerMeans {
  const { peers } = context;
  const target = peers.address(peer);
  const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
  // First: a native host may be behind the same relay through which this client reaches other clients.
  if (!isTeredo(target, 0)) return 'relay';
  if (context.isMeetingPoint(address, port)) return 'met';
  const isService = peers.socket[peer] === SOCKET.service;
  if (isService && mappedAddressOf(target, 0) === address && mappedPortOf(target, 0) === port)
    return 'direct';
  if (context.isInside(address)) return 'local';
  if (path?.isGuessed === true) return 'guess';
  return isService && port !== path?.peerRandomPort ? 'nonce' : 'random-port';
}
