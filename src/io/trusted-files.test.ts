import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { faultOfFolder, readTrusted, removeTrusted, replaceTrusted } from './trusted-files.ts';

const NOBODY = 65534;
const asRoot = { skip: process.getuid?.() !== 0 };

/** In a user namespace, root of the host may have this number. */
const host = vi.hoisted(() => ({ root: 0 }));
vi.mock('node:fs', async (original) => {
  const fs = await original<{ lstatSync: typeof lstatSync }>();
  const lstatOf = (path: string, options: { throwIfNoEntry: false }) => {
    const found = fs.lstatSync(path, options);
    if (path === '/' && found !== undefined) found.uid = host.root;
    return found;
  };
  return { ...fs, lstatSync: lstatOf };
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'teredo-trusted-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a folder of this account may be used, also one that does not exist yet', () => {
  const own = folder();
  expect(faultOfFolder(own)).toBe(undefined);
  expect(faultOfFolder(join(own, 'new', 'newer'))).toBe(undefined);
});

test('a folder that other accounts may write into is refused, wherever it is on the path', () => {
  const own = folder();
  mkdirSync(join(own, 'below'));
  for (const [mode, gid] of [
    [0o757, 0],
    [0o775, 5],
  ] as const) {
    chmodSync(own, mode);
    if (process.getuid?.() === 0) chownSync(own, 0, gid);
    else if (mode === 0o775) continue;
    expect(faultOfFolder(own)).toMatch(/other accounts may write into/);
    expect(faultOfFolder(join(own, 'below'))).toMatch(/other accounts may write into/);
  }
});

test('a folder below one such as /tmp may', () => {
  const own = folder();
  mkdirSync(join(own, 'below'));
  chmodSync(own, 0o1777);
  expect(faultOfFolder(own)).toMatch(/other accounts may write into/);
  expect(faultOfFolder(join(own, 'below'))).toBe(undefined);
});

test(
  'a folder of another account is refused; so is one below it, and one to which a link of that account leads',
  asRoot,
  () => {
    const theirs = folder();
    mkdirSync(join(theirs, 'ours'));
    chownSync(theirs, NOBODY, NOBODY);
    expect(faultOfFolder(theirs)).toMatch(/belongs to another account \(uid 65534\)/);
    expect(faultOfFolder(join(theirs, 'ours'))).toMatch(/belongs to another account/);
    const shared = folder();
    chmodSync(shared, 0o1777);
    symlinkSync(folder(), join(shared, 'link'));
    expect(faultOfFolder(join(shared, 'link'))).toBe(undefined);
    lchownSync(join(shared, 'link'), NOBODY, NOBODY);
    expect(faultOfFolder(join(shared, 'link'))).toMatch(/link belongs to another account/);
  },
);

test('the path behind links is checked, too, and loops end', asRoot, () => {
  const [theirs, own] = [folder(), folder()];
  mkdirSync(join(theirs, 'in'));
  chownSync(theirs, NOBODY, NOBODY);
  symlinkSync(join('..', theirs.slice(tmpdir().length + 1), 'in'), join(own, 'link'));
  expect(faultOfFolder(join(own, 'link'))).toMatch(/belongs to another account/);
  symlinkSync('self', join(own, 'self'));
  expect(faultOfFolder(join(own, 'self'))).toMatch(/too many links/);
});

test('a link in place of a file is replaced, and its target stays as it was', () => {
  const own = folder();
  const target = join(own, 'target');
  const path = join(own, 'file');
  writeFileSync(target, 'as it was', { mode: 0o640 });
  symlinkSync(target, path);
  expect(readTrusted(path)).toBe(undefined);
  replaceTrusted(path, 'new');
  expect([readTrusted(path), readFileSync(target, 'utf8')]).toEqual(['new', 'as it was']);
  expect([lstatSync(path).isSymbolicLink(), statSync(path).mode & 0o777]).toEqual([false, 0o600]);
  rmSync(path);
  symlinkSync(target, path);
  removeTrusted(path);
  expect(readdirSync(own)).toEqual(['target']);
});

test('a failed write leaves the old file and nothing else', () => {
  const own = folder();
  const path = join(own, 'file');
  mkdirSync(path);
  expect(() => replaceTrusted(path, 'new')).toThrow(/EISDIR|directory/);
  expect(readdirSync(own)).toEqual(['file']);
});

test('nothing is written to, read from or removed from a folder of another account', asRoot, () => {
  const theirs = folder();
  const path = join(theirs, 'file');
  writeFileSync(path, 'theirs');
  chownSync(theirs, NOBODY, NOBODY);
  expect(() => replaceTrusted(path, 'new')).toThrow(/belongs to another account/);
  expect(readTrusted(path)).toBe(undefined);
  removeTrusted(path);
  expect(readFileSync(path, 'utf8')).toBe('theirs');
});

test(
  'a file of another account is not read, nor one that others may write, nor anything but a regular file',
  asRoot,
  () => {
    const own = folder();
    const path = join(own, 'file');
    writeFileSync(path, 'text');
    expect(readTrusted(path)).toBe('text');
    chmodSync(path, 0o666);
    expect(readTrusted(path)).toBe(undefined);
    chmodSync(path, 0o600);
    chownSync(path, NOBODY, NOBODY);
    expect(readTrusted(path)).toBe(undefined);
    expect(readTrusted(own)).toBe(undefined);
  },
);

test(
  'in a user namespace the owner of / is trusted, unless its number is that of all accounts without a number',
  asRoot,
  () => {
    const own = folder();
    onTestFinished(() => void (host.root = 0));
    chownSync(own, 1234, 1234);
    expect(faultOfFolder(own)).toMatch(/belongs to another account \(uid 1234\)/);
    host.root = 1234;
    expect(faultOfFolder(own)).toBe(undefined);
    const overflow = Number(readFileSync('/proc/sys/kernel/overflowuid', 'utf8'));
    host.root = overflow;
    chownSync(own, overflow, overflow);
    expect(faultOfFolder(own)).toMatch(/belongs to another account/);
  },
);

test('a file left half-written by a crash is removed; of a link, the link itself and not its target', () => {
  const own = folder();
  const path = join(own, 'note');
  const other = join(own, 'other');
  writeFileSync(other, 'as it was');
  symlinkSync(other, `${path}.new`);
  replaceTrusted(path, 'new');
  expect(readdirSync(own).sort()).toEqual(['note', 'other']);
  expect([readTrusted(path), readFileSync(other, 'utf8')]).toEqual(['new', 'as it was']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
