import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { LogLines } from './log-lines.ts';

test('a reader that has stopped blocks nothing; the lines that it misses are counted', () => {
  const { reader, writer } = pipe();
  const losses: number[] = [];
  const log = new LogLines(writer, lostLine, (lost) => losses.push(lost));
  for (let i = 0; i < 10_000; i++) log.write(`line ${i}`);
  const before = readAll(reader).split('\n');
  expect(before[0]).toBe('line 0');
  const kept = before.length - 1;
  expect(kept).toBeLessThan(10_000);
  expect(before.slice(0, kept)).toEqual(Array.from({ length: kept }, (_, i) => `line ${i}`));
  expect(losses).toEqual([1]);
  log.write('and on');
  expect(readAll(reader)).toBe(`${10_000 - kept} lost\nand on\n`);
  expect(losses).toEqual([1, 10_000 - kept]);
  log.write('and on');
  expect(readAll(reader)).toBe('and on\n');
});

/** `script` has the other end of the terminal. It is stopped, so it reads nothing. */
test('a terminal whose reader has stopped blocks nothing; when the reader continues, so do the lines', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const program = join(folder, 'program.mjs');
  writeFileSync(program, WRITES_MANY_LINES);
  const terminal = spawn('script', ['-qefc', `${process.execPath} ${program}`, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, SHELL: '/bin/sh' },
  });
  onTestFinished(() => void terminal.kill('SIGKILL'));
  let said = '';
  terminal.stdout.on('data', (text: Buffer) => (said += text.toString()));
  const pid = await eventually(() => Number(/^pid (\d+)\r?$/m.exec(said)![1]));
  terminal.kill('SIGSTOP');
  process.kill(pid, 'SIGUSR1');
  await eventually(() => expect(signalsCaught(pid)).toBe(true));
  terminal.kill('SIGCONT');
  await eventually(() => expect(said.length).toBeGreaterThan(1_000));
  process.kill(pid, 'SIGUSR2');
  await eventually(() => expect(said).toMatch(/\d+ lost\r?\nand on\r?\n/));
  expect(said).toMatch(/^x{300}\r?$/m);
});

const MODULE = fileURLToPath(new URL('../../dist/io/log-lines.js', import.meta.url));
const WRITES_MANY_LINES = `
  import { LogLines } from ${JSON.stringify(MODULE)};
  const log = new LogLines(2, (lost) => lost + ' lost');
  process.once('SIGUSR1', () => {
    for (let i = 0; i < 2_000; i++) log.write('x'.repeat(300));
    process.once('SIGUSR2', () => {
      log.write('and on');
      process.exit(0);
    });
  });
  log.write('pid ' + process.pid);
  setInterval(() => {}, 1_000);
`;

/** Catches SIGUSR2 once all lines are written or lost. */
function signalsCaught(pid: number): boolean {
  const caught = /^SigCgt:\s+([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!;
  return (BigInt(`0x${caught}`) & (1n << 11n)) !== 0n;
}

test('a line longer than one write to a pipe is cut', () => {
  const { reader, writer } = pipe();
  new LogLines(writer, lostLine).write('x'.repeat(100_000));
  expect(readAll(reader)).toBe(`${'x'.repeat(4_095)}\n`);
});

test('lines for which the disk has no room are lost ones', () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const losses: number[] = [];
  const log = new LogLines(full, lostLine, (lost) => losses.push(lost));
  for (let i = 0; i < 3; i++) log.write('line');
  expect(losses).toEqual([1]);
});

test('a reader that has gone is no error', () => {
  const { reader, writer } = pipe();
  closeSync(reader);
  const log = new LogLines(writer, lostLine);
  for (let i = 0; i < 3; i++) log.write('line');
});

const lostLine = (lost: number): string => `${lost} lost`;

/** A pipe whose writing end blocks, like a service's stderr. */
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
