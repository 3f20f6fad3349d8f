import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readKeys } from './secrets.ts';

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'keys');
  writeFileSync(path, text);
  return path;
}

test('a comment begins at a line or behind a space: "#" within a secret belongs to it', () => {
  const keys = readKeys(file('# all of them\none sec#ret # of one\n\n  # none\ntwo s3cret expired # old\n'));
  expect(keys(Buffer.from('one'))).toEqual({ secret: Buffer.from('sec#ret'), expired: false });
  expect(keys(Buffer.from('two'))).toEqual({ secret: Buffer.from('s3cret'), expired: true });
  expect(keys(Buffer.from('none'))).toBe(undefined);
});

test('a client identifier has one key', () => {
  expect(() => readKeys(file('one a\ntwo b\none c expired\n'))).toThrow(/line 3: "one" has a key already/);
});

test('a secret that begins with "#" is refused, not cut', () => {
  expect(() => readKeys(file('one #secret\n'))).toThrow(/line 1: want "CLIENT-ID SECRET"/);
});
