import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { proxyPlaceOf } from '../../runtime/settings/proxy-place.ts';
import { requiredCredentials } from './required-credentials.ts';

function required(
  listen: string,
  user?: string,
  passwordFile?: string,
): ReturnType<typeof requiredCredentials> {
  return requiredCredentials({ listen: proxyPlaceOf(listen), user, passwordFile });
}

function fileOf(content: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-password-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'password');
  writeFileSync(file, content, { mode });
  return file;
}

test.for([
  '1080',
  '127.0.0.1:1080',
  '127.1.2.3:1080',
  'localhost:1080',
  '[::1]:1080',
  'unix:/run/user/1000/proxy',
])('only this host reaches %s: no password is needed', (place) => {
  expect(required(place)).toBeUndefined();
});

test.for([
  '0.0.0.0:1080',
  '[::]:1080',
  '192.0.2.1:1080',
  '10.0.0.1:1080',
  '[2001:db8::1]:1080',
  '[::ffff:127.0.0.1]:1080',
])('other hosts reach %s: without a password it is refused', (place) => {
  expect(() => required(place)).toThrow(/other hosts reach .* needs --user and --password-file/);
  expect(required(place, 'anna', fileOf('secret\n'))).toBeDefined();
});

test('user and password come together', () => {
  expect(() => required('1080', 'anna')).toThrow(/belong together/);
  expect(() => required('1080', undefined, fileOf('secret'))).toThrow(/belong together/);
  expect(() => required('1080', 'an:na', fileOf('secret'))).toThrow(/no colon/);
  expect(() => required('1080', '', fileOf('secret'))).toThrow(/1 to 255/);
});

test('the password is the only line of a file that other users cannot read', () => {
  const credentials = required('1080', 'anna', fileOf('secret\r\n'))!;
  const given = (password: string): boolean =>
    credentials.areRight({ user: Buffer.from('anna'), password: Buffer.from(password) });
  expect([given('secret'), given('secret\n'), given('secre'), given('')]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(() => required('1080', 'anna', fileOf('secret\n', 0o644))).toThrow(/can be read by all users/);
  expect(() => required('1080', 'anna', fileOf('\n'))).toThrow(/no password/);
  expect(() => required('1080', 'anna', fileOf('a\nb\n'))).toThrow(/more than one line/);
  expect(() => required('1080', 'anna', fileOf('a'.repeat(256)))).toThrow(/more than 255/);
});
