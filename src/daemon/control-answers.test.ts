import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ask } from '../control/control-client.ts';
import type { ControlAnswer } from '../control/control-protocol.ts';
import { SettingsError } from '../runtime/settings/settings-error.ts';
import { openControl } from './control-answers.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import type { Reload } from './reload.ts';
import type { Role } from './run-role.ts';

/** The answer of a relay to a request. */
async function answerTo(
  command: 'status' | 'drain' | 'reload' | 'users',
  { drain, ...reload }: { drain?: Role['drain'] } & Partial<Pick<Reload, 'file' | 'status' | 'reload'>>,
): Promise<ControlAnswer> {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-answers-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  vi.stubEnv('TEREDO_RUNTIME_DIR', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  const role = { drain, status: (name: string) => ({ name }) } as unknown as Role;
  const control = await openControl(
    'relay',
    'relay',
    role,
    Object.keys(reload).length === 0 ? undefined : (reload as Reload),
  );
  onTestFinished(() => control.close());
  return await ask(control.path, { command });
}

const drainAnswer = (drain: Role['drain']): Promise<ControlAnswer> => answerTo('drain', { drain });

test('a drain is answered once the announcement is withdrawn', async () => {
  expect(await drainAnswer(() => Promise.resolve(true))).toEqual({ ok: true, result: { name: 'relay' } });
});

test('the answer to a drain is the status of the daemon, as to any other question', async () => {
  const configuration = { inForce: true, changedSinceRead: false, refused: false, needRestart: [] };
  const started = { file: '/etc/teredo/relay.toml', status: () => configuration };
  const drained = await answerTo('drain', { drain: () => Promise.resolve(true), ...started });
  expect(drained).toEqual(await answerTo('status', started));
  expect(drained).toMatchObject({ result: { file: started.file, configuration } });
});

test('a drain that does not withdraw the announcement has failed', async () => {
  expect(await drainAnswer(() => Promise.resolve(false))).toMatchObject({
    ok: false,
    code: 'not-withdrawn',
    message: expect.stringMatching(/^relay could not withdraw 2001::\/32 and still announces it/) as string,
  });
});

test('only a relay knows its users', async () => {
  expect(await answerTo('users', {})).toEqual({
    ok: false,
    code: 'no-relay',
    message: 'relay is no relay: only a relay knows its users',
  });
});

test.for([
  [new CommandFailure(EXIT.USAGE, 'x', ['y']), 'bad-configuration'],
  [new SettingsError('secondary', 'x'), 'bad-configuration'],
  [new CommandFailure(EXIT.NOT_PERMITTED, 'x'), 'not-permitted'],
  [new CommandFailure(EXIT.TIMED_OUT, 'x'), 'timed-out'],
  [new CommandFailure(EXIT.FAILED, 'x'), 'failed'],
  [new Error('x'), 'failed'],
] as const)('the answer to a reload that fails with %j names the kind: %s', async ([error, code]) => {
  const answer = await answerTo('reload', { reload: () => Promise.reject(error) });
  const details = error instanceof CommandFailure ? error.details : [];
  expect(answer).toEqual({ ok: false, code, message: 'x', details });
});

test('the status of a daemon with a configuration file says whether it is in force', async () => {
  const configuration = { inForce: false, changedSinceRead: true, refused: false, needRestart: [] };
  const file = '/etc/teredo/relay.toml';
  expect(await answerTo('status', { file, status: () => configuration })).toEqual({
    ok: true,
    result: { name: 'relay', file, configuration },
  });
  expect(await answerTo('status', {})).toEqual({ ok: true, result: { name: 'relay' } });
});
