/** A row of the bench: what one name after `--only` measures. */
import type { Watch } from './machine/watch.ts';
import type { Results } from './result/results.ts';
import type { LinkKind } from './seats.ts';

export interface Order {
  readonly alternations: number;
  /** How long each measurement takes. */
  readonly seconds: number;
  readonly links: readonly LinkKind[];
  /** Fewer clients and repetitions. */
  readonly quick: boolean;
  readonly say: (text: string) => void;
  readonly watch: Watch;
  readonly results: Results;
}

export type Row = (order: Order) => Promise<void>;

/** All seats one after the other, several times, so that a change of the machine meets all of them. */
export async function alternate<S extends string>(
  { alternations, say }: Pick<Order, 'alternations' | 'say'>,
  seats: readonly S[],
  turn: (seat: S, nth: number) => Promise<void>,
): Promise<void> {
  for (let nth = 1; nth <= alternations; nth++)
    for (const seat of seats) {
      say(`${nth} of ${alternations}: ${seat}`);
      await turn(seat, nth);
    }
}
