/** The part of a peer's path that one process leaves to the next, in eight bits. */
import type { PeerPath } from './peer-path.ts';

/** All marks of a path have this one. */
const HAS_PATH = 1;
const [BY_NONCE, HAS_NONCES, IS_SYMMETRIC, IS_WANTED, IS_CONFIRMED] = [2, 4, 8, 16, 32];

export function marksOf(path: PeerPath): number {
  const { byNonce, hasNonces, isSymmetric, isWanted, hearing } = path;
  let marks = HAS_PATH;
  if (byNonce) marks |= BY_NONCE;
  if (hasNonces) marks |= HAS_NONCES;
  if (isSymmetric) marks |= IS_SYMMETRIC;
  if (isWanted) marks |= IS_WANTED;
  if (hearing.isConfirmed) marks |= IS_CONFIRMED;
  return marks;
}

/** The peer is where the predecessor has reached it. */
export function adoptMarks(path: PeerPath, marks: number, heardAt: number, now: number): void {
  const has = (mark: number): boolean => (marks & mark) !== 0;
  path.byNonce = has(BY_NONCE);
  path.hasNonces = has(HAS_NONCES);
  path.isSymmetric = has(IS_SYMMETRIC);
  path.isWanted = has(IS_WANTED);
  path.hearing.settle(false, heardAt);
  if (has(IS_CONFIRMED)) path.hearing.noteSign(now);
  path.lastAtPlace = heardAt;
}
