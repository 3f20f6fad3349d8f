import { MAX_PEERS } from '../../control/control-protocol.ts';
import type { ListAnswer } from '../../control/control-server.ts';
import type { HttpAsker } from '../../control/http-stream.ts';
import { ListText, aroundList } from '../../control/list-text.ts';
import { FirstPeers, PEER_ORDERS, isPlace } from '../../control/peer-order.ts';
import type { PeerOrder, RankedPeer } from '../../control/peer-order.ts';
import type { PeerStatus } from '../../control/status.ts';
import { jsonPieces, refused } from './answer.ts';
import type { Asked, HttpAnswer } from './answer.ts';
import type { HttpSource } from './source.ts';

/** How many peers are shown when the request gives no number. */
const USUAL = 1_000;
/** How many are shown in an order at a time. */
const MOST_SORTED = 1_000;
/** How long peers are looked at at a time. */
const PIECE_MS = 1;
/** Shorter pieces wait for the next one, which is made in another turn: to send one costs as much as to send a long one. */
const LEAST_LENGTH = 4 << 10;

/**
 * `?limit=`: how many at most. `?sort=`: the first ones in this order, of all; fewer, because they are kept until all are known. `&after=`: those behind a
 * place, as `next` of the answer before has it.
 */
export async function answerPeers(asked: Asked, source: HttpSource): Promise<HttpAnswer> {
  const { query, isHead, asker } = asked;
  const limit = limitOf(query.get('limit'));
  if (limit === undefined) return refused(400, `limit: want a whole number from 0 to ${MAX_PEERS}`);
  const order = query.get('sort') ?? undefined;
  if (order !== undefined && !isOrder(order)) return refused(400, `sort: want ${PEER_ORDERS.join(' or ')}`);
  const after = query.get('after') ?? undefined;
  if (after !== undefined && (order === undefined || !isPlace(after)))
    return refused(400, 'after: want "next" of an answer with the same "sort"');
  await source.gather?.('peers');
  const answer = await asker.turn(() => source.peers(order === undefined ? limit : MAX_PEERS));
  if (answer === undefined) return refused(404, `${source.name} keeps no peers`);
  if (order === undefined || isHead) return inPieces(answer, asker);
  const first = new FirstPeers(order, Math.min(limit, MOST_SORTED), after);
  await lookAtAll(
    source.rankedPeers?.(order) ?? ranked(answer.items as Iterable<PeerStatus | undefined>),
    first,
    asker,
  );
  return inPieces({ ...answer, result: { ...answer.result, next: first.next }, items: first.peers() }, asker);
}

function inPieces(answer: ListAnswer, asker: HttpAsker): HttpAnswer {
  const text = textOf(answer);
  return jsonPieces({ next: () => asker.turn(() => text.next().value as string | undefined) });
}

function isOrder(text: string): text is PeerOrder {
  return PEER_ORDERS.some((order) => order === text);
}

function* ranked(peers: Iterable<PeerStatus | undefined>): Generator<RankedPeer | undefined> {
  for (const peer of peers) {
    if (peer === undefined) {
      yield undefined;
      continue;
    }
    const { address, receivedBytes, sentBytes, receivedSecondsAgo } = peer;
    yield {
      octets: receivedBytes + sentBytes,
      receivedAt: receivedSecondsAgo === undefined ? -Infinity : timeOf(receivedSecondsAgo),
      address: () => address,
      status: () => peer,
    };
  }
}

/** In tenths of a second, as the age is: so it is the same on all pages. */
function timeOf(secondsAgo: number): number {
  return 100 * (Math.round(performance.now() / 100) - Math.round(secondsAgo * 10));
}

/** In many turns. */
async function lookAtAll(
  peers: Iterable<RankedPeer | undefined>,
  first: FirstPeers,
  asker: HttpAsker,
): Promise<void> {
  const left = peers[Symbol.iterator]();
  while ((await asker.turn(() => lookAtSome(left, first))) === false);
}

/** Whether all have been looked at. */
function lookAtSome(left: Iterator<RankedPeer | undefined>, first: FirstPeers): boolean {
  const begun = performance.now();
  while (performance.now() - begun < PIECE_MS) {
    const { done, value } = left.next();
    if (done === true) return true;
    if (value !== undefined) first.add(value);
  }
  return false;
}

function* textOf({ result, list, items }: ListAnswer): Generator<string> {
  const [before, after] = aroundList(result, list);
  let held = before;
  const text = new ListText(items);
  for (let piece = text.next(); piece !== undefined; piece = text.next()) {
    held += piece;
    const isEnough = held.length >= LEAST_LENGTH;
    yield isEnough ? held : '';
    if (isEnough) held = '';
  }
  yield held + after;
}

function limitOf(text: string | null): number | undefined {
  if (text === null) return USUAL;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  return limit === undefined ? undefined : Math.min(limit, MAX_PEERS);
}
