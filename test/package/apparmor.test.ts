/** The AppArmor profiles of the Debian package: what the parser of this machine says, and the roles under them on Debian's kernel, in QEMU. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PARSER = ['apparmor_parser', '--skip-kernel-load', '--skip-cache'] as const;
const hasParser = spawnSync(PARSER[0], ['--version']).status === 0;
/** `teredo-userns` is only for versions with this file: the package's script looks for it, too. */
const hasUserNamespaces = existsSync('/etc/apparmor.d/abi/4.0');
const MOST_MS = 3_600_000;

test.runIf(hasParser).for(hasUserNamespaces ? ['teredo', 'teredo-userns'] : ['teredo'])(
  'AppArmor understands the profile %s',
  (profile) => {
    const file = join(ROOT, 'packaging', 'apparmor', profile);
    const { status, stderr } = spawnSync(PARSER[0], [...PARSER.slice(1), file], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  },
);

test.runIf(IS_ALL && process.getuid?.() === 0)(
  'the roles work under the profile, in enforce mode, on the kernel of Debian 12',
  { timeout: MOST_MS },
  () => {
    const work = mkdtempSync(join(tmpdir(), 'teredo-confined-'));
    onTestFinished(() => rmSync(work, { recursive: true }));
    const script = (name: string): string => join(ROOT, 'scripts', name);
    execute(process.execPath, [script('package.mjs'), '--fast', '--out', work, 'amd64']);
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const vitest = ['env', 'CI=1', 'NO_COLOR=1', 'node_modules/.bin/vitest', 'run'];
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [script('other-kernel.mjs'), ...vitest, 'test/package/confined.test.ts'],
      {
        encoding: 'utf8',
        maxBuffer: 64 << 20,
        env: {
          ...process.env,
          TEREDO_TEST_ALL: '',
          TEREDO_TEST_DEB: join(work, `teredo_${version}_amd64.deb`),
        },
      },
    );
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    expect(stdout).toMatch(/2 passed, 0 failed, /);
  },
);
