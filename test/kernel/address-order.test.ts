/** The order of addresses that netcheck reports is the order of glibc, on a host with an IPv4 and a Teredo address. CL-9 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addressOrder } from '../../src/io/address-order.ts';
import { Lab } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';

const [IPV4, TEREDO] = ['198.51.100.7', '2001:0:cb00:7178:0:1:2:3'];
const OWN = ['192.0.2.1/24', '2001:0:cb00:7178:0:4:5:6/32'];
const HOSTS = `${TEREDO} both.test\n${IPV4} both.test\n`;

let lab: Lab;
let host: Namespace;
let folder: string;
beforeAll(() => {
  lab = new Lab();
  host = lab.host('host');
  folder = mkdtempSync(join(tmpdir(), 'teredo-order-'));
  writeFileSync(join(folder, 'hosts'), HOSTS);
  lab.wire(host, 'eth', OWN, lab.host('other'), 'eth', []);
  host.ip('route', 'add', 'default', 'dev', 'eth');
});
afterAll(async () => {
  await lab.remove();
  rmSync(folder, { recursive: true });
});

/** The first address of a name with both, if gai.conf has this text. */
function firstWith(gaiConf: string): string {
  writeFileSync(join(folder, 'gai.conf'), gaiConf);
  const script = `
    mount --bind ${folder}/hosts /etc/hosts
    touch /etc/gai.conf
    mount --bind ${folder}/gai.conf /etc/gai.conf
    getent ahosts both.test`;
  return host.execute('unshare', '--mount', 'sh', '-ec', script).split(/\s/)[0]!;
}

test.each([
  ['nothing', ''],
  ['a comment', '#precedence 2001::/32 5\n'],
  ['a table without Teredo', 'precedence ::/0 40\nprecedence ::ffff:0:0/96 35\n'],
  ['the line for Teredo only', 'precedence 2001::/32 5\n'],
  ['the usual line for IPv4', 'precedence ::ffff:0:0/96  100\n'],
  ['IPv4 low', 'precedence ::ffff:0:0/96 10\n'],
  ['a shorter prefix', 'precedence ::ffff:0:0/96 35\nprecedence 2001::/23 5 # Teredo and others\n'],
  [
    'a longer prefix',
    'precedence ::ffff:0:0/96 35\nprecedence 2001::/32 5\nprecedence 2001:0:cb00::/40 50\n',
  ],
  ['labels only', 'label 2001::/32 7\n'],
])('%s in gai.conf', (_name, text) => {
  const { ipv4First, missingLines } = addressOrder(text);
  expect(firstWith(text)).toBe(ipv4First ? IPV4 : TEREDO);
  if (missingLines.length > 0) expect(firstWith([text, ...missingLines, ''].join('\n'))).toBe(IPV4);
});
