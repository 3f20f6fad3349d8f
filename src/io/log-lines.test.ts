import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LogLines } from './log-lines.ts';

test('a reader that has stopped holds nothing up; the lines that it misses are counted for it', () => {
  const { reader, writer } = pipe();
  const log = new LogLines(writer);
  for (let i = 0; i < 10_000; i++) log.write(`line ${i}`);
  const before = readAll(reader).split('\n');
  expect(before[0]).toBe('line 0');
  const kept = before.length - 1;
  expect(kept).toBeLessThan(10_000);
  expect(before.slice(0, kept)).toEqual(Array.from({ length: kept }, (_, i) => `line ${i}`));
  log.write('and on');
  expect(readAll(reader)).toBe(
    `warning: ${10_000 - kept} lines of this log are lost: its reader had stopped\nand on\n`,
  );
  log.write('and on');
  expect(readAll(reader)).toBe('and on\n');
});

test('a line that is longer than a pipe takes at once is cut', () => {
  const { reader, writer } = pipe();
  new LogLines(writer).write('x'.repeat(100_000));
  expect(readAll(reader)).toBe(`${'x'.repeat(4_095)}\n`);
});

test('a reader that has gone is no error', () => {
  const { reader, writer } = pipe();
  closeSync(reader);
  const log = new LogLines(writer);
  for (let i = 0; i < 3; i++) log.write('line');
});

/** A pipe whose writing end blocks, as a service's stderr. */
function pipe(): { reader: number; writer: number } {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, writer: openSync(path, constants.O_WRONLY) };
}

function readAll(fd: number): string {
  const buffer = Buffer.alloc(1 << 20);
  let length = 0;
  for (;;) {
    try {
      const count = readSync(fd, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.toString('utf8', 0, length);
      length += count;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      return buffer.toString('utf8', 0, length);
    }
  }
}
