import { expect, test } from 'vitest';
import type { AccessStatus } from '../control/status.ts';
import { parseIpv4Prefix } from '../wire/index.ts';
import { accessInWords, accessOf, accessStatus } from './access.ts';

function inWords(allow: readonly string[], deny: readonly string[]): string {
  const prefixes = (texts: readonly string[]) => texts.map((text) => parseIpv4Prefix(text)!);
  return accessInWords(accessStatus(accessOf({ allow: prefixes(allow), deny: prefixes(deny) })));
}

test.each([
  [[], [], 'all addresses'],
  [[], ['198.51.100.0/25'], '198.51.100.0/25 denied; all other addresses are served'],
  [['192.0.2.0/24'], [], '192.0.2.0/24 served; all other addresses are denied'],
  [
    ['192.0.2.7/32'],
    ['192.0.2.0/24'],
    '192.0.2.0/24 denied; 192.0.2.7/32 served; all other addresses are served',
  ],
  [
    [],
    [1, 2, 3, 4, 5].map((i) => `198.51.100.${i}/32`),
    '198.51.100.1/32, 198.51.100.2/32, 198.51.100.3/32 and 2 more denied; all other addresses are served',
  ],
])('allow %j, deny %j', (allow, deny, words) => {
  expect(inWords(allow, deny)).toBe(words);
});

test('a daemon without lists gives a number only', () => {
  const status = { prefixes: 1, default: 'allow' } as AccessStatus;
  expect(accessInWords(status)).toBe('1 prefix; all other addresses are served');
});
