import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { unreadableFor } from './unit-account.ts';

const NOBODY = 65_534;

test('root finds the files that an account may not read', { skip: process.getuid?.() !== 0 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-account-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const [own, ofGroup, missing] = ['own', 'of-group', 'missing'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const file of [own, ofGroup]) writeFileSync(file, '', { mode: 0o600 });
  chownSync(ofGroup, 0, NOBODY);
  chmodSync(ofGroup, 0o640);
  expect(unreadableFor('nobody', [own, ofGroup, missing])).toEqual([own]);
  expect(unreadableFor('no-such-account', [own])).toEqual([]);
  chmodSync(folder, 0o700);
  expect(unreadableFor('nobody', [ofGroup])).toEqual([ofGroup]);
});
