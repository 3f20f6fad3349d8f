import { expect, test } from 'vitest';
import { CommandFailure } from '../exit-codes.ts';
import { parseConfiguration } from './file.ts';

/** The line and column, and the words. */
function faultIn(...lines: string[]): string {
  try {
    parseConfiguration('FILE', ['role = "relay"', '[relay]', ...lines, ''].join('\n'));
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return error.message.replace('FILE:', '').replace('this is no TOML: ', '');
  }
  return 'none';
}

test.each([100, 1_000, 20_000])('%i lists in each other are an error of the file', (depth) => {
  expect(faultIn(`allow = ${'['.repeat(depth)}${']'.repeat(depth)}`)).toMatch(/^\d+:\d+: /);
});

const QUOTED = 'write texts in quotes: "203.0.113.1"';
const BOOLEAN = 'write true or false, in small letters and without quotes';

test.for([
  [['address = "203.0.113.1'], '3:23: the closing quote is missing'],
  [["address = '203.0.113.1", 'port = 1'], '3:23: the closing quote is missing'],
  [['address = 203.0.113.1"'], '3:16: a quote is missing in this line'],
  [['serve = ["2001:db8::/32, "2001:db8:1::/48"]'], '3:27: a quote is missing in this line'],
  [['address = “203.0.113.1”'], '3:11: write straight quotes: "'],
  [['address = 203.0.113.1'], `3:16: ${QUOTED}`],
  [['allow = [203.0.113.1]'], `3:15: ${QUOTED}`],
  [['interface = tun0'], '3:13: write texts in quotes: "tun0"'],
  [['trust-cone = yes'], `3:14: ${BOOLEAN}`],
  [['trust-cone = True # "always"'], `3:14: ${BOOLEAN}`],
  [['port: 3545'], '3:5: write "=" between key and value'],
  [['port 3545'], '3:6: write "=" between key and value'],
  [['trust-cone', 'port = 1'], '3:11: write "=" between key and value'],
  [['port =', '', 'name = "x"'], '3:7: the key has no value'],
  [['[relay.limits', 'errors.burst = 1'], '3:14: the name of the table has no closing "]"'],
  [['port = 35 45'], '3:11: there is more behind the value: each key has a line of its own'],
  [['deny = ["a" "b"]'], '3:13: a comma is missing between two elements of the list'],
  [['deny = ["a"', 'port = 1'], '4:1: a list or table above this line has no end'],
  [['; comment'], '3:1: a comment begins with "#"'],
  [['port = 1', 'port = 2'], '4:1: this key or table is in the file already'],
  [['secret-file = "C:\\path"'], '3:19: write two backslashes for one, or the text in single quotes'],
  [['port = 08'], '3:8: Leading zeros are not allowed'],
] as const)('%j', ([lines, words]) => expect(faultIn(...lines)).toBe(words));
