import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ask } from '../control/control-client.ts';
import type { ControlAnswer } from '../control/control-protocol.ts';
import { openControl } from './control-answers.ts';
import type { Role } from './run-role.ts';

/** The answer of a relay to a request to drain. */
async function drainAnswer(drain: Role['drain']): Promise<ControlAnswer> {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-answers-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  vi.stubEnv('TEREDO_RUNTIME_DIR', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  const role = { drain, status: (name: string) => ({ name }) } as unknown as Role;
  const control = await openControl('relay', 'relay', role);
  onTestFinished(() => control.close());
  return await ask(control.path, { command: 'drain' });
}

test('a drain is answered once the announcement is withdrawn', async () => {
  expect(await drainAnswer(() => Promise.resolve(true))).toEqual({ ok: true, result: { name: 'relay' } });
});

test('a drain that does not withdraw the announcement has failed', async () => {
  expect(await drainAnswer(() => Promise.resolve(false))).toMatchObject({
    ok: false,
    code: 'not-withdrawn',
    message: expect.stringMatching(/^relay could not withdraw 2001::\/32 and still announces it/) as string,
  });
});
