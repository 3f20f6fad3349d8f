import type { HttpAsker } from '../../control/http-stream.ts';

const ENCODER = new TextEncoder();

/** A text that is made piece by piece as the asker reads it, each piece in the asker's turn. `next`: undefined after the last one. */
export function streamOf(asker: HttpAsker, next: () => string | undefined): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const piece = await asker.turn(next);
        if (piece === undefined) controller.close();
        else controller.enqueue(ENCODER.encode(piece));
      },
    },
    { highWaterMark: 0 }, // nothing is made for a request of the headers only
  );
}
