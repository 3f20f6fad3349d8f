import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SubordinateUids } from './subordinate-uids.ts';

function written(subuid: string): SubordinateUids {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-subuid-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const files = [join(folder, 'subuid'), join(folder, 'passwd')] as const;
  writeFileSync(files[0], subuid);
  writeFileSync(files[1], 'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n');
  return new SubordinateUids(files);
}

test('the ids of a range are those of its owner, by name or by number; others are their own', () => {
  const uids = written('ann:100000:65536\n1001:165536:65536\nnobody-here:300000:65536\n');
  for (const [uid, owner] of [
    [1000, 1000],
    [99_999, 99_999],
    [100_000, 1000],
    [165_535, 1000],
    [165_536, 1001],
    [231_072, 231_072],
    [300_001, 300_001],
  ] as const)
    expect(uids.ownerOf(uid, 0)).toBe(owner);
});

test("root's ranges, those below the ids of users, and lines that mean nothing give no rights", () => {
  const uids = written('root:100000:65536\n0:200000:65536\nann:1000:5\nann\n:::\nann:x:y\nann:400000:-1\n');
  for (const uid of [1000, 1001, 100_001, 200_001, 400_000]) expect(uids.ownerOf(uid, 0)).toBe(uid);
});

test('without the files each id is its own', () => {
  expect(new SubordinateUids(['/nowhere/subuid', '/nowhere/passwd']).ownerOf(100_000, 0)).toBe(100_000);
});
