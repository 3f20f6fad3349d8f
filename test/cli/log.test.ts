/** The log of a role, in each format. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PROGRAM } from '../support/roles.ts';
import { get } from '../support/http-rig.ts';
import { faultsOf } from '../support/strict-schema.ts';

/** Of this process only, so that others may run the same test. */
const ADDRESS = `127.${100 + (process.pid & 63)}.${(process.pid >> 6) & 255}.2`;

/** The lines of a server that runs and is ended; `journal`: its stderr is said to be the journal. */
async function logOf(
  options: readonly string[],
  { journal = false, address = ADDRESS } = {},
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'log');
  const fd = openSync(file, 'w');
  const { dev, ino } = fstatSync(fd);
  const child = spawn(
    process.execPath,
    [PROGRAM, 'server', '--address', address, '--no-native', '--data-path', 'user', ...options],
    {
      env: {
        ...process.env,
        TEREDO_RUNTIME_DIR: folder,
        JOURNAL_STREAM: journal ? `${dev}:${ino}` : `${dev}:${ino + 1}`,
      },
      stdio: ['ignore', 'ignore', fd],
    },
  );
  closeSync(fd);
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await eventually(() => {
    const text = readFileSync(file, 'utf8');
    expect(child.exitCode !== null || text.includes('is running')).toBe(true);
  });
  child.kill('SIGTERM');
  await ended;
  return readFileSync(file, 'utf8').trimEnd().split('\n');
}

test('programs get one object for each event', async () => {
  const lines = await logOf(['--log-format', 'json', '--log-level', 'debug', '--name', 'one']);
  const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events.map(({ event }) => event)).toEqual(['warning', 'notice', 'running', 'stopping']);
  expect(events.map((event) => faultsOf('log', event))).toEqual(events.map(() => []));
  expect(events[2]).toMatchObject({ level: 'info', role: 'server', name: 'one' });
  expect(events[3]).toMatchObject({ level: 'debug', signal: 'SIGTERM' });
});

test('the journal gets priorities, by itself; people get times', async () => {
  const inJournal = await logOf([], { journal: true });
  expect(inJournal[0]).toMatch(/^<4>warning: 127\.\S+ is a loopback address/);
  expect(inJournal.at(-1)).toMatch(/^<6>teredo server "server" is running/);
  const inText = await logOf([]);
  expect(inText[0]).toMatch(/^\d{4}-\d\d-\d\dT\S+ warning: 127\.\S+ is a loopback address/);
  expect(await logOf(['--log-level', 'warn', '--log-format', 'text'], { address: '127.0.0.300' })).toEqual([
    expect.stringMatching(/^error: option '--address/),
  ]);
});

test('a log that cannot be written is an event of the daemon', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const full = openSync('/dev/full', 'w');
  const args = ['server', '--address', ADDRESS, '--no-native', '--data-path', 'user'];
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, TEREDO_RUNTIME_DIR: folder },
    stdio: ['ignore', 'ignore', full],
  });
  closeSync(full);
  onTestFinished(() => void child.kill('SIGKILL'));
  const socketPath = join(folder, 'server.sock');
  await eventually(async () => {
    const { text } = await get('/metrics', { socketPath });
    expect(text).toMatch(/^teredo_log_events_total\{event="lines-lost",.*\} 1$/m);
  });
});

test('a failed start is an event, too', async () => {
  const [line, ...rest] = await logOf(['--log-format', 'json'], { address: '203.0.113.1' });
  expect(JSON.parse(line!)).toMatchObject({ level: 'error', event: 'failed' });
  expect(faultsOf('log', JSON.parse(line!))).toEqual([]);
  expect(rest).toEqual([]);
});
