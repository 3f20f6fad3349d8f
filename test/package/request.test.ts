/** `npm run package` with wrong words: it says so at once, and makes nothing. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/package.mjs', import.meta.url));

test.for([
  [['--ou', '/tmp'], {}, "Unknown option '--ou'"],
  [['--out', SCRIPT], {}, 'File exists'],
  [['--out', '/proc/packages'], {}, '/proc/packages'],
  [['x64'], {}, 'no package for "x64": there are amd64 and arm64'],
  [['amd64'], { SOURCE_DATE_EPOCH: 'today' }, 'SOURCE_DATE_EPOCH="today"'],
] as const)('%j %j', ([args, variables, words]) => {
  const env = { ...process.env, ...variables, LC_ALL: 'C' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], {
    encoding: 'utf8',
    env,
    timeout: 20_000,
  });
  expect(stderr).toContain(words);
  expect(stderr).toContain('usage: npm run package -- ');
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
});
