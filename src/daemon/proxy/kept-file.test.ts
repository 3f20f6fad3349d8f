import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { KeptFile } from './kept-file.ts';

test('a file is read again when it has changed, and not more often; one that is missing has no text', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const folder = mkdtempSync(join(tmpdir(), 'teredo-kept-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [file, reads] = [join(folder, 'file'), [] as string[]];
  const kept = new KeptFile(file, (text) => {
    reads.push(text);
    return text.length;
  });
  const after = (ms: number): number => {
    vi.advanceTimersByTime(ms);
    return kept.get();
  };
  expect(after(0)).toBe(0);
  writeFileSync(file, 'four');
  expect([after(999), after(1), after(1_000), after(1_000)]).toEqual([0, 4, 4, 4]);
  writeFileSync(file, 'seven..');
  expect(after(1_000)).toBe(7);
  rmSync(file);
  expect(after(1_000)).toBe(0);
  writeFileSync(file, 'seven..');
  expect(after(1_000)).toBe(7);
  expect(reads.filter((text) => text !== '')).toEqual(['four', 'seven..', 'seven..']);
});
