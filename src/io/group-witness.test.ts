import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ASKER = fileURLToPath(new URL('../../test/support/ask-witness.mjs', import.meta.url));

test('a signal that the witness names before this process looks at it counts, although another question was answered in between', () => {
  // A session of its own: the signals go to the whole process group.
  expect(execFileSync('setsid', ['--wait', process.execPath, ASKER], { encoding: 'utf8' })).toBe(
    '40 of 40\n',
  );
});
