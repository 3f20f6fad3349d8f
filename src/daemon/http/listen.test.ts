import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { listenAddressOf } from '../../runtime/settings/parse.ts';
import { rulesOf, tokenOf } from './listen.ts';

function fileWith(text: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-token-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'a token');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const HEX = '0123456789abcdef'.repeat(2);

test('an address that other hosts reach needs a token, a loopback address does not', () => {
  const rules = (text: string, listenToken?: string): unknown =>
    rulesOf({ listen: listenAddressOf(text), listenToken });
  for (const loopback of ['9464', 'localhost:9464', '127.0.0.1:9464', '127.7.7.7:0', '[::1]:9464'])
    expect(rules(loopback)).toEqual({ token: undefined });
  for (const open of ['0.0.0.0:9464', '192.0.2.1:9464', '[::]:9464', '[2001:db8::1]:9464']) {
    expect(() => rules(open)).toThrow(/^--listen: other hosts reach .*: that needs --listen-token$/);
    expect(rules(open, fileWith(HEX))).toEqual({ token: HEX });
  }
});

test.each([
  ['', /is no token/],
  ['two words', /is no token/],
  [`${HEX}\n${HEX}`, /is no token/],
  ['geheim', /could be guessed: openssl rand -hex 16 > '[^']+ token' makes/],
  [HEX.slice(1), /could be guessed/],
])('a file with the text "%s" is refused', (text, why) => {
  expect(() => rulesOf({ listenToken: fileWith(text) })).toThrow(why);
});

test('a file that all users can read is refused; a good one may end in a line feed', () => {
  expect(() => rulesOf({ listenToken: fileWith(HEX, 0o644) })).toThrow(
    /^--listen-token: .* can be read by all users of this host: chmod 600 /,
  );
  expect(rulesOf({ listenToken: fileWith(`${HEX}\n`) })).toEqual({ token: HEX });
  expect(() => rulesOf({ listenToken: '/nowhere/token' })).toThrow(/there is no such file/);
});

test.each([
  '',
  'x',
  '70000',
  '127.0.0.1',
  '127.0.0.1:',
  '::1:9464',
  'name.example:9464',
  '[::1]',
  '1.2.3.4:99999',
])('"%s" is no address to listen at', (text) => {
  expect(() => listenAddressOf(text)).toThrow();
});

test('a reload takes the new token of the file, and no bad one', async () => {
  const listenToken = fileWith(HEX);
  const rules = rulesOf({ listenToken });
  const [token, changed] = [tokenOf({ listenToken }, rules), new Set(['listenToken'])];
  writeFileSync(listenToken, 'f'.repeat(32));
  (await token.prepare({}, new Set()))();
  expect(rules).toEqual({ token: HEX });
  (await token.prepare({}, changed))();
  expect(rules).toEqual({ token: 'f'.repeat(32) });
  writeFileSync(listenToken, 'geheim');
  await expect(token.prepare({}, changed)).rejects.toThrow(/could be guessed/);
  expect(rules).toEqual({ token: 'f'.repeat(32) });
});
