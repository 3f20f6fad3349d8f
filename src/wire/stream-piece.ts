/** The first part of a stream: its value and its length, `more` octets are needed, or the stream breaks a rule. */
export type Piece<T> =
  | { readonly kind: 'whole'; readonly value: T; readonly length: number }
  | { readonly kind: 'more' }
  | { readonly kind: 'refused'; readonly reason: PieceReason };

export type PieceReason =
  | 'version'
  | 'no-methods'
  | 'credentials-version'
  | 'address-type'
  | 'name'
  | 'port'
  | 'line'
  | 'too-long'
  | 'not-a-proxy-request';

export const MORE = { kind: 'more' } as const;

export function whole<T>(value: T, length: number): Piece<T> {
  return { kind: 'whole', value, length };
}

export function refused(reason: PieceReason): { readonly kind: 'refused'; readonly reason: PieceReason } {
  return { kind: 'refused', reason };
}
