import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { toHex } from '../wire/index.ts';
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
  expect(keys.get(toHex(Buffer.from('one')))).toEqual({ secret: Buffer.from('sec#ret'), expired: false });
  expect(keys.get(toHex(Buffer.from('two')))).toEqual({ secret: Buffer.from('s3cret'), expired: true });
  expect(keys.get(toHex(Buffer.from('none')))).toBe(undefined);
});

test('a client identifier has one key', () => {
  expect(() => readKeys(file('one a\ntwo b\none c expired\n'))).toThrow(/line 3: "one" has a key already/);
});

test('a secret that begins with "#" is refused, not cut', () => {
  expect(() => readKeys(file('one #secret\n'))).toThrow(/line 1: want "CLIENT-ID SECRET"/);
});

test('keys that all users can read are a warning; those that others can write are refused', () => {
  const path = file('one secret\n');
  const warnings: string[] = [];
  const read = (): unknown => readKeys(path, (message) => warnings.push(message));
  chmodSync(path, 0o640);
  read();
  expect(warnings).toEqual([]);
  chmodSync(path, 0o644);
  read();
  const forUnit = `chown root:teredo ${path} && chmod 640 ${path}`;
  expect(warnings).toEqual([
    `all users of this host can read the keys in ${path}: chmod 600 ${path}, or for the systemd unit: ${forUnit}`,
  ]);
  chmodSync(path, 0o666);
  expect(read).toThrow(/other accounts may write into/);
});

test(
  'keys of another account are refused, but not those of the user of sudo',
  { skip: process.getuid?.() !== 0 },
  () => {
    const path = file('one secret\n');
    chownSync(path, 65534, 65534);
    expect(() => readKeys(path)).toThrow(/belongs to another account \(uid 65534\)/);
    vi.stubEnv('SUDO_UID', '65534');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(readKeys(path).get(toHex(Buffer.from('one')))).toBeDefined();
  },
);
