import { expect, test } from 'vitest';
import { Running, execute } from './process.ts';

test('what a program said while we were held up counts as said in time', async () => {
  const running = new Running('echo', ['ready']);
  const waiting = running.waitFor(/ready/, 50);
  execute('sleep', ['0.2']); // synchronous, as all commands of a lab
  await expect(waiting).resolves.toBeDefined();
  await running.exited;
});

test('who says nothing is given up, with what else it said', async () => {
  const running = new Running('sh', ['-c', 'echo other; exec sleep 60']);
  await running.waitFor(/other/);
  await expect(running.waitFor(/ready/, 20)).rejects.toThrow(/no \/ready\/ within 20 ms in:\nother/);
  await running.stop();
});
