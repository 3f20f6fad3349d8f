import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ControlServer } from '../../control/control-server.ts';
import { EnvironmentError } from '../../io/errors.ts';
import { LogLines } from '../../io/log-lines.ts';
import { EXIT } from '../exit-codes.ts';
import { hostRelayCommand, relayCommand } from './relay.ts';
import { explainNotLocal, runRole } from './run-role.ts';
import type { Role } from './run-role.ts';

vi.mock('../../io/end-process.ts', () => ({ endProcess: () => {} }));

test('an address that is none of this host: the help names options that the role has', async () => {
  const start = (): Promise<void> =>
    Promise.reject(new EnvironmentError('not-local', '192.0.2.1 is none of this host'));
  await expect(explainNotLocal(start(), 'announce')).rejects.toThrow(/none of this host; .* --announce$/);
  await expect(explainNotLocal(start(), 'leave-out')).rejects.toThrow(
    /none of this host; leave --address out/,
  );
  expect(hostRelayCommand(() => {}).options.map(({ long }) => long)).not.toContain('--announce');
});

test('a role is closed though its control socket cannot be', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-run-role-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  vi.stubEnv('TEREDO_RUNTIME_DIR', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  const said: string[] = [];
  vi.spyOn(LogLines.prototype, 'write').mockImplementation((text) => void said.push(text));
  vi.spyOn(ControlServer.prototype, 'close').mockImplementation(() => {
    throw new Error('EIO: i/o error');
  });
  onTestFinished(() => void vi.restoreAllMocks());
  let isClosed = false;
  const exitCode = await runRole('relay', 'run-role-test', ({ end }) => ({
    start: () => Promise.resolve(end(EXIT.FAILED)),
    status: (() => ({})) as unknown as Role['status'],
    close: async () => void (isClosed = true),
  }));
  expect([exitCode, isClosed]).toEqual([EXIT.FAILED, true]);
  expect(said).toContain('warning: at the end: EIO: i/o error');
});

test('the help of relay and host-relay says when bubbles go straight to clients', () => {
  const helpOf = (command: typeof relayCommand): string =>
    command(() => {})
      .helpInformation()
      .replaceAll(/\s+/g, ' ');
  expect(helpOf(hostRelayCommand)).toContain('(default: where its IPv4 address is not global)');
  expect(helpOf(relayCommand)).toContain('(its IPv4 address is not global), bubbles go straight to clients');
});
