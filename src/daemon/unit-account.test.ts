import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { NOBODY, openFolder } from '../../test/support/nobody.ts';
import { hiddenFromUnit, obstaclesOf, readableForUnit } from './unit-account.ts';

const asRoot = { skip: process.getuid?.() !== 0 };

/** A folder with a file that only root may read, and one that the account nobody may read, too. */
function filesOfRoot(): { folder: string; own: string; ofGroup: string } {
  const folder = openFolder();
  const [own, ofGroup] = [join(folder, 'own'), join(folder, 'of group')];
  for (const file of [own, ofGroup]) writeFileSync(file, '', { mode: 0o600 });
  chownSync(ofGroup, 0, NOBODY);
  chmodSync(ofGroup, 0o640);
  return { folder, own, ofGroup };
}

test('root finds the files that an account may not read', asRoot, () => {
  const { folder, own, ofGroup } = filesOfRoot();
  const files = [own, ofGroup, join(folder, 'missing')];
  expect(obstaclesOf('nobody', files)).toEqual([{ file: own, reason: readableForUnit(own) }]);
  expect(obstaclesOf('no-such-account', [own])).toEqual([]);
});

test('the unit looks for a relative path elsewhere', asRoot, () => {
  const reason = `it looks for it in /, its folder: give the whole path, ${resolve('package.json')}`;
  expect(obstaclesOf('nobody', ['package.json'])).toEqual([{ file: 'package.json', reason }]);
});

test('in a closed folder, the advice is about the highest one', asRoot, () => {
  const { folder, ofGroup } = filesOfRoot();
  const inner = join(folder, 'inner');
  mkdirSync(inner, { mode: 0o700 });
  const below = join(inner, 'file');
  writeFileSync(below, '', { mode: 0o644 });
  const closed = (which: string): string => `it may not enter ${which}: move the file to /etc/teredo`;
  expect(obstaclesOf('nobody', [below])).toEqual([{ file: below, reason: closed(inner) }]);
  chmodSync(folder, 0o700);
  expect(obstaclesOf('nobody', [ofGroup, below])).toEqual([
    { file: ofGroup, reason: closed(folder) },
    { file: below, reason: closed(folder) },
  ]);
});

test('the unit sees no files of users, and has temporary folders of its own', asRoot, () => {
  const { folder } = filesOfRoot();
  const temporary = mkdtempSync('/tmp/teredo-test-');
  onTestFinished(() => rmSync(temporary, { recursive: true }));
  chmodSync(temporary, 0o755);
  const [file, link] = [join(temporary, 'file'), join(folder, 'link')];
  writeFileSync(file, '', { mode: 0o644 });
  symlinkSync(file, link);
  const reason = 'it sees no files of /tmp: move the file to /etc/teredo';
  expect(obstaclesOf('nobody', [file, link])).toEqual([file, link].map((one) => ({ file: one, reason })));
  expect(hiddenFromUnit('/home/operator/keys')).toBe('/home');
  expect(hiddenFromUnit('/homes/keys')).toBeUndefined();
});

test.each(['/etc/teredo/keys', '/etc/my keys', "/etc/operator's; touch x", '/etc/$(keys)'])(
  'a shell takes %s as one word',
  (file) => {
    const shown = readableForUnit(file).replace('chown root:teredo', String.raw`printf '%s\n'`);
    const command = shown.replace('chmod 640', String.raw`printf '%s\n'`);
    expect(spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stdout).toBe(`${file}\n${file}\n`);
  },
);
