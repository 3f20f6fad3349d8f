import { expect, test } from 'vitest';
import { PROCESSORS } from '../../bench/machine/processor-time.ts';
import { Again, Disturbed, Watch } from '../../bench/machine/watch.ts';

const quiet = (): Watch => new Watch(true, () => {});

test('work that asks for it is repeated, ten times at most, and only the last time counts', async () => {
  let times = 0;
  const work = async (): Promise<number> => {
    times++;
    if (times < 10) throw new Again('lost');
    await Promise.resolve();
    return times;
  };
  const { value, seconds } = await quiet().during(work);
  expect([value, seconds < 1]).toEqual([10, true]);
  await expect(quiet().during(() => Promise.reject(new Again('lost')))).rejects.toThrow('lost');
});

test('any other failure ends the bench at once', async () => {
  let times = 0;
  const work = (): Promise<never> => {
    times++;
    return Promise.reject(new Error('broken'));
  };
  await expect(quiet().during(work)).rejects.toThrow('broken');
  expect(times).toBe(1);
});

/** A watch on a machine on which another program takes these shares, one for each measurement of a second. */
function watchBeside(shares: readonly number[], mayBeDisturbed = false) {
  const said: string[] = [];
  let [reads, at, used] = [0, 0, 0];
  const watch = new Watch(mayBeDisturbed, (text) => said.push(text), {
    moment: () => ({ at: at++, idle: 0, stolen: 0 }),
    processes: () => {
      if (reads++ % 2 === 1) used += shares[(reads >> 1) - 1]! * PROCESSORS;
      return [{ pid: 7, parent: 1, name: 'compiler', own: used, ended: 0 }];
    },
  });
  return { watch, said, measure: () => watch.during(() => Promise.resolve('figure')) };
}

test('a figure that was taken beside other work is taken again', async () => {
  const { watch, said, measure } = watchBeside([0.5, 0.021, 0.01]);
  expect((await measure()).value).toBe('figure');
  expect(said).toEqual([
    'once more: other work took 50.0 % of the machine (at most 2 %), most of it compiler (process 7)',
    'once more: other work took 2.1 % of the machine (at most 2 %), most of it compiler (process 7)',
  ]);
  expect(watch.most).toBeCloseTo(0.01);
});

test('the bench stops when other work does not end, and says which', async () => {
  const { measure } = watchBeside([0.5, 0.4, 0.3]);
  const stopped = measure();
  await expect(stopped).rejects.toBeInstanceOf(Disturbed);
  await expect(stopped).rejects.toThrow(
    '30.0 % of the machine (at most 2 %), most of it compiler (process 7)',
  );
});

test('beside other work, if that was asked for: its time is not in the busy time', async () => {
  const { watch, measure } = watchBeside([0.5], true);
  expect((await measure()).busy).toBeCloseTo(PROCESSORS / 2);
  expect(watch.most).toBeCloseTo(0.5);
});

test('values from before a measurement are read again before it is repeated, outside of it', async () => {
  const { watch } = watchBeside([0.5, 0.01]);
  let [counter, before] = [0, 0];
  const work = () => Promise.resolve((counter += 10));
  const begin = () => void (before = ++counter);
  const { value } = await watch.during(work, begin);
  expect([counter, value - before]).toEqual([22, 10]);
});
