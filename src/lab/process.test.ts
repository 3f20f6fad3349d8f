import { expect, test } from 'vitest';
import { Running, execute } from './process.ts';

test('output that came while this process was blocked counts as in time', async () => {
  const running = new Running('echo', ['ready']);
  const waiting = running.waitFor(/ready/, 50);
  execute('sleep', ['0.2']); // synchronous, like all commands of a lab
  await expect(waiting).resolves.toBeDefined();
  await running.exited;
});

test('without the expected output the wait ends with an error that contains the actual output', async () => {
  const running = new Running('sh', ['-c', 'echo other; exec sleep 60']);
  await running.waitFor(/other/);
  await expect(running.waitFor(/ready/, 20)).rejects.toThrow(/no \/ready\/ within 20 ms in:\nother/);
  await running.stop();
});
