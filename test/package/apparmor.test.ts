/** The AppArmor profiles of the Debian package: does the parser of this machine understand them? */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PARSER = ['apparmor_parser', '--skip-kernel-load', '--skip-cache'] as const;
const hasParser = spawnSync(PARSER[0], ['--version']).status === 0;
/** `teredo-userns` is only for versions with this file: the package's script looks for it, too. */
const hasUserNamespaces = existsSync('/etc/apparmor.d/abi/4.0');

test.runIf(hasParser).for(hasUserNamespaces ? ['teredo', 'teredo-userns'] : ['teredo'])(
  'AppArmor understands the profile %s',
  (profile) => {
    const file = join(ROOT, 'packaging', 'apparmor', profile);
    const { status, stderr } = spawnSync(PARSER[0], [...PARSER.slice(1), file], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  },
);
