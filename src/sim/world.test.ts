import { describe, expect, test } from 'vitest';
import { LiveLockError, World } from './world.ts';

describe('World', () => {
  test('jumps from event to event, and to the end', () => {
    const world = new World({ startAt: 100 });
    const seen: number[] = [];
    world.after(5, () => {
      seen.push(world.now);
      world.after(5, () => seen.push(world.now));
    });
    world.after(50, () => seen.push(world.now));
    world.runFor(20);
    expect(seen).toEqual([105, 110]);
    expect(world.now).toBe(120);
    expect(world.elapsed).toBe(20);
  });

  test('an event scheduled for the past happens now; the clock never goes back', () => {
    const world = new World({ startAt: 100 });
    const seen: number[] = [];
    world.at(3, () => seen.push(world.now));
    world.runFor(0);
    expect(seen).toEqual([100]);
  });

  test('runs until a condition holds, or time is up', () => {
    const world = new World();
    let done = false;
    world.after(30, () => (done = true));
    expect(world.runUntil(() => done, 20)).toBe(false);
    expect(world.elapsed).toBe(20);
    expect(world.runUntil(() => done, 20)).toBe(true);
    expect(world.elapsed).toBe(30);
  });

  test('ends an endless chain of events at one instant', () => {
    const world = new World({ eventsPerInstant: 100 });
    const again = (): void => void world.after(0, again);
    again();
    expect(() => world.runFor(1)).toThrow(LiveLockError);
  });

  test('the same seed gives the same numbers, another one others', () => {
    const draw = (seed: number): number[] =>
      Array.from(
        { length: 8 },
        (
          (e) => () =>
            e.uint32()
        )(new World({ seed }).entropy),
      );
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    const world = new World();
    expect(world.newEntropy().uint32()).not.toBe(world.newEntropy().uint32());
  });
});
