import { describe, expect, test } from 'vitest';
import { CommandRing } from './commands.ts';
import type { CommandExecutor } from './commands.ts';

class Recorder implements CommandExecutor {
  readonly calls: unknown[][] = [];
  transmit(...call: unknown[]): void {
    this.calls.push(['transmit', ...call]);
  }
  deliver(...call: unknown[]): void {
    this.calls.push(['deliver', ...call]);
  }
  offload(buffer: Uint8Array, offset: number, ...call: unknown[]): void {
    this.calls.push(['offload', buffer.slice(offset, offset + 16), ...call]);
  }
  unload(buffer: Uint8Array, offset: number): void {
    this.calls.push(['unload', buffer.slice(offset, offset + 16)]);
  }
  event(...call: unknown[]): void {
    this.calls.push(['event', ...call]);
  }
}

describe('CommandRing', () => {
  const bytes = new Uint8Array(8);

  test('carries out each command once, in order', () => {
    const ring = new CommandRing();
    ring.event({ type: 'socket-wanted', socket: 1 });
    ring.transmit(2, bytes, 1, 5, 0xc0000201, 4096);
    ring.deliver(bytes, 0, 8);
    ring.event({ type: 'socket-unwanted', socket: 1 });
    expect(ring.length).toBe(4);
    const recorder = new Recorder();
    ring.drain(recorder);
    ring.drain(recorder);
    expect(recorder.calls).toEqual([
      ['event', { type: 'socket-wanted', socket: 1 }],
      ['transmit', 2, bytes, 1, 5, 0xc0000201, 4096],
      ['deliver', bytes, 0, 8],
      ['event', { type: 'socket-unwanted', socket: 1 }],
    ]);
    expect(ring.length).toBe(0);
  });

  test('keeps its own copies of any number of peer addresses', () => {
    const ring = new CommandRing();
    const address = new Uint8Array(20);
    for (let i = 0; i < 40; i++) {
      address.fill(i, 2, 18);
      if (i % 2 === 0) ring.offload(address, 2, 0xc0000200 + i, i, 1_000.5, i % 3);
      else ring.unload(address, 2);
    }
    for (let round = 0; round < 2; round++) {
      const recorder = new Recorder();
      ring.drain(recorder);
      expect(recorder.calls).toEqual(
        round === 1
          ? []
          : Array.from({ length: 40 }, (_, i) =>
              i % 2 === 0
                ? ['offload', new Uint8Array(16).fill(i), 0xc0000200 + i, i, 1_000.5, i % 3]
                : ['unload', new Uint8Array(16).fill(i)],
            ),
      );
    }
  });

  test('values of an earlier input do not appear in later commands', () => {
    const ring = new CommandRing();
    for (let i = 0; i < 5; i++) ring.transmit(i, bytes, i, i, i, i);
    ring.drain(new Recorder());
    ring.deliver(bytes, 3, 4);
    const recorder = new Recorder();
    ring.drain(recorder);
    expect(recorder.calls).toEqual([['deliver', bytes, 3, 4]]);
  });

  test.each([
    ['an end beyond the buffer', 0, 9],
    ['a start behind the end', 5, 4],
    ['a start before the buffer', -1, 4],
    ['a start that is not a number', Number.NaN, 4],
    ['an end that is not a number', 0, Number.NaN],
  ])('a command with %s fails where it is made, and leaves nothing behind', (_what, start, end) => {
    const ring = new CommandRing();
    const makers = [
      () => ring.transmit(1, bytes, start, end, 0xc0000201, 4096),
      () => ring.deliver(bytes, start, end),
    ];
    for (const make of makers) expect(make).toThrow(RangeError);
    expect(ring.length).toBe(0);
  });

  test.each([-1, 5, Number.NaN])(
    'the address of a peer that would not lie in its buffer fails: offset %d',
    (offset) => {
      const ring = new CommandRing();
      const address = new Uint8Array(20);
      expect(() => ring.offload(address, offset, 0xc0000201, 4096, 0, 0)).toThrow(RangeError);
      expect(() => ring.unload(address, offset)).toThrow(RangeError);
      expect(ring.length).toBe(0);
    },
  );

  test('a command may take its whole buffer, or none of it', () => {
    const ring = new CommandRing();
    ring.transmit(1, bytes, 0, 8, 0xc0000201, 4096);
    ring.deliver(bytes, 8, 8);
    expect(ring.length).toBe(2);
  });
});
