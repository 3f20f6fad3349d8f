import type { ClientContext } from '../context.ts';
import type { PeerPath } from './peer-paths.ts';

/** Whether the peer is valid, its place is proven, and it is not known to be deaf to us there. */
export function isReached(
  context: ClientContext,
  path: PeerPath | undefined,
  peer: number,
  now: number,
): boolean {
  return context.peers.isValid(peer, now) && !isPlaceUnproven(context, path) && path?.isUnheard !== true;
}

/**
 * Whether the pair at which a trusted peer is sent to may be wrong. The peer has come from the pair in its address. A sender that forges the
 * peer's address knows this pair. A symmetric NAT of either side shows another pair, and only our nonce proves which one.
 */
export function isPlaceUnproven({ qualified }: ClientContext, path: PeerPath | undefined): boolean {
  if (path === undefined || path.byNonce || !path.hasNonces) return false;
  return path.isSymmetric || qualified!.symmetric;
}
