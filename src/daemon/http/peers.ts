import { MAX_PEERS } from '../../control/control-protocol.ts';
import type { HttpAsker } from '../../control/http-stream.ts';
import { ListText, aroundList } from '../../control/list-text.ts';
import { FirstPeers, PEER_ORDERS } from '../../control/peer-order.ts';
import type { PeerOrder } from '../../control/peer-order.ts';
import type { PeerStatus } from '../../control/status.ts';
import { jsonPieces, refused } from './answer.ts';
import type { Asked, HttpAnswer } from './answer.ts';
import type { HttpSource } from './source.ts';

/** How many peers are shown when the request gives no number. */
const USUAL = 1_000;
/** How many are shown in an order. */
const MOST_SORTED = 1_000;
/** How long peers are looked at at a time. */
const PIECE_MS = 1;

/** `?limit=`: how many at most. `?sort=`: the first ones in this order, of all; fewer, because they are kept until all are known. */
export async function answerPeers({ query, isHead, asker }: Asked, source: HttpSource): Promise<HttpAnswer> {
  const limit = limitOf(query.get('limit'));
  if (limit === undefined) return refused(400, `limit: want a whole number from 0 to ${MAX_PEERS}`);
  const order = query.get('sort');
  if (order !== null && !isOrder(order)) return refused(400, `sort: want ${PEER_ORDERS.join(' or ')}`);
  const answer = await asker.turn(() => source.peers(order === null ? limit : MAX_PEERS));
  if (answer === undefined) return refused(404, `${source.name} keeps no peers`);
  let items = answer.items as Iterable<PeerStatus>;
  if (order !== null && !isHead)
    items = await sorted(items, new FirstPeers(order, Math.min(limit, MOST_SORTED)), asker);
  const text = textOf({ ...answer, items });
  return jsonPieces({ next: () => asker.turn(() => text.next().value as string | undefined) });
}

function isOrder(text: string): text is PeerOrder {
  return PEER_ORDERS.some((order) => order === text);
}

/** Looks at all peers, in many turns. */
async function sorted(
  peers: Iterable<PeerStatus>,
  first: FirstPeers,
  asker: HttpAsker,
): Promise<readonly PeerStatus[]> {
  const left = peers[Symbol.iterator]();
  while ((await asker.turn(() => lookAtSome(left, first))) === false);
  return first.peers;
}

/** Whether all have been looked at. */
function lookAtSome(left: Iterator<PeerStatus>, first: FirstPeers): boolean {
  const begun = performance.now();
  while (performance.now() - begun < PIECE_MS) {
    const { done, value } = left.next();
    if (done === true) return true;
    first.add(value);
  }
  return false;
}

function* textOf({ result, list, items }: NonNullable<ReturnType<HttpSource['peers']>>): Generator<string> {
  const [before, after] = aroundList(result, list);
  yield before;
  const text = new ListText(items);
  for (let piece = text.next(); piece !== undefined; piece = text.next()) yield piece;
  yield after;
}

function limitOf(text: string | null): number | undefined {
  if (text === null) return USUAL;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  return limit === undefined ? undefined : Math.min(limit, MAX_PEERS);
}
