import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ControlServer } from '../control/control-server.ts';
import { waitInPlace } from '../io/in-place.ts';
import { LogLines } from '../io/log-lines.ts';
import { EXIT } from './exit-codes.ts';
import { runRole } from './run-role.ts';
import type { Role } from './run-role.ts';

vi.mock('../io/end-process.ts', () => ({ endProcess: () => {} }));
vi.mock('../io/in-place.ts', { spy: true });

/** A folder for control sockets. */
function folder(): void {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-run-role-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  vi.stubEnv('TEREDO_RUNTIME_DIR', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
}

const status = (() => ({ role: 'relay', dataPath: { inUse: 'user' } })) as unknown as Role['status'];

test('a role is closed though its control socket cannot be', async () => {
  folder();
  const said: string[] = [];
  vi.spyOn(LogLines.prototype, 'write').mockImplementation((text) => void said.push(text));
  vi.spyOn(ControlServer.prototype, 'close').mockImplementation(() => {
    throw new Error('EIO: i/o error');
  });
  onTestFinished(() => void vi.restoreAllMocks());
  let isClosed = false;
  const exitCode = await runRole('relay', { name: 'run-role-test' }, ({ end }) => ({
    start: () => Promise.resolve(end(EXIT.FAILED)),
    status,
    prepare: () => Promise.resolve(() => {}),
    close: async () => void (isClosed = true),
  }));
  expect([exitCode, isClosed]).toEqual([EXIT.FAILED, true]);
  expect(said).toContainEqual(expect.stringMatching(/ warning: at the end: EIO: i\/o error$/));
});

test('a role that has not started yet ends at once at SIGTERM', async () => {
  folder();
  vi.spyOn(LogLines.prototype, 'write').mockReturnValue();
  onTestFinished(() => void vi.restoreAllMocks());
  let isClosed = false;
  const terminate = (): void => process.listeners('SIGTERM').at(-1)!('SIGTERM');
  const exitCode = await runRole('relay', { name: 'run-role-test' }, () => ({
    start: () => new Promise(() => terminate()),
    status,
    prepare: () => Promise.resolve(() => {}),
    beforeEnd: () => new Promise(() => {}),
    close: async () => void (isClosed = true),
  }));
  expect([exitCode, isClosed]).toEqual([EXIT.OK, true]);
});

test('a role has answered a first question before it starts: that one compiles code, for which no packet waits', async () => {
  folder();
  vi.spyOn(LogLines.prototype, 'write').mockReturnValue();
  onTestFinished(() => void vi.restoreAllMocks());
  const done: string[] = [];
  await runRole('relay', { name: 'run-role-test' }, ({ end }) => ({
    start: async () => {
      done.push('start');
      end(EXIT.OK);
    },
    status: (...given) => {
      done.push('status');
      return status(...given);
    },
    prepare: () => Promise.resolve(() => {}),
    close: () => Promise.resolve(),
  }));
  expect(done.slice(0, 2)).toEqual(['status', 'start']);
});

test('a role of the program waits for packets in place, from its start on', async () => {
  folder();
  vi.spyOn(LogLines.prototype, 'write').mockReturnValue();
  onTestFinished(() => void vi.restoreAllMocks());
  vi.mocked(waitInPlace).mockClear();
  let calls = 0;
  await runRole('relay', { name: 'run-role-test' }, ({ end }) => ({
    start: async () => {
      calls = vi.mocked(waitInPlace).mock.calls.length;
      end(EXIT.OK);
    },
    status,
    prepare: () => Promise.resolve(() => {}),
    close: () => Promise.resolve(),
  }));
  expect(calls).toBe(1);
});
