/** Bad input of a user gets one clear line that says what to do, and the right exit status. */
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { chownSync, closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NOBODY, PROGRAM_AS_NOBODY, asNobody, openFolder } from '../support/nobody.ts';
import { PROGRAM } from '../support/roles.ts';

const isRoot = process.getuid?.() === 0;

function teredo(...args: string[]): { status: number | null; lines: string[]; stdout: string } {
  const { status, stderr, stdout } = spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, lines: stderr.split('\n').filter((line) => line !== ''), stdout };
}

/** What a terminal would obey, and what turns the line round. */
const HOSTILE = 'a\u001b[31m\u202eb\u2028c';

test.for([
  [[HOSTILE]],
  [['client', '--server', HOSTILE]],
  [['client', '--server', 'a.example', '--limit', `${HOSTILE}=1`]],
  [['client', `--${HOSTILE}`]],
  [['status', HOSTILE]],
  [['peers', HOSTILE, '--json']],
  [['ready', HOSTILE]],
  [['run', `/${HOSTILE}.toml`]],
  [['config', 'check', `/${HOSTILE}.toml`]],
  [['address', HOSTILE]],
  [['ping', HOSTILE]],
] as const)('characters that cannot be printed are shown as escapes: %#', ([args]) => {
  const { lines, stdout } = teredo(...args);
  expect(stdout + lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
  expect(lines.join('')).toMatch(/a\\x1B\[31m\\u\{202e\}b\\u\{2028\}c/i);
});

describe('usage: exit status 2', () => {
  test.for([
    [['client', '--server', '192.0.2.1', '--nonsense'], /unknown option '--nonsense'/],
    [['nonsense'], /unknown command 'nonsense'/],
    [['proxy', '--server', '192.0.2.1', '--listen', '0.0.0.0:1080'], /other hosts reach 0\.0\.0\.0:1080/],
    [['proxy', '--server', '192.0.2.1', '--listen', 'unix:'], /option '--listen.*no path of a socket/],
    [['client'], /required option '--server/],
    [['client', '--servr', 'a'], /unknown option '--servr'\n.*Did you mean --server\?/],
    [['client', '--Server', 'a'], /unknown option '--Server'\n.*Did you mean --server\?/],
    [['netcheck', '--sever', 'a'], /unknown option '--sever'\n.*Did you mean --server\?/],
    [['server', '--adress', '192.0.2.1'], /unknown option '--adress'\n.*Did you mean --address\?/],
    [['relay', '--addres', '192.0.2.1'], /unknown option '--addres'\n.*Did you mean --address\?/],
    [['address', 'make', '--sever', '192.0.2.1'], /unknown option '--sever'\n.*Did you mean --server\?/],
    [['server'], /required option '--address/],
    [['server', '--address', '10.0.0.1', '--announce', '0.0.0.0'], /option '--announce.*stands for any/],
    [
      ['server', '--address', '10.0.0.1', '--secondary', '10.0.0.2', '--announce', '192.0.2.1'],
      /--announce-secondary: is needed/,
    ],
    [
      ['server', '--address', '10.0.0.1', '--secondary', 'none', '--announce-secondary', '192.0.2.1'],
      /--announce-secondary: 192\.0\.2\.1 needs "secondary"/,
    ],
    [['relay', '--address', '10.0.0.1', '--announce', '224.0.0.1'], /option '--announce.*single host/],
    [['relay'], /required option '--address/],
    [['address', 'make', '--server', '192.0.2.1'], /required option '--client/],
    [['netcheck', '--server', '192.0.2.1:3544'], /option '--server.*"192\.0\.2\.1:3544" has a port in it/],
    [['client', '--server', 'a.example:3544'], /option '--server.*has a port in it.*always on UDP port 3544/],
    [['netcheck', '--server', 'http://x'], /option '--server.*"http:\/\/x" is a URL/],
    [['client', '--server', 'a b'], /option '--server.*is no host name/],
    [['client', '--server', '127.1'], /option '--server.*is not an IPv4 address/],
    [['client', '--server', '0x7f000001'], /option '--server.*is not an IPv4 address/],
    [['client', '--server', '[2001:db8::1]:3544'], /option '--server.*is an IPv6 address/],
    [['client', '--server', '192.0.2.1', '--meet', 'http://x'], /option '--meet.*is a URL/],
    [['server', '--address', 'nowhere'], /"nowhere" is not an IPv4 address/],
    [['server', '--address', '0.0.0.0'], /option '--address.*"0\.0\.0\.0" stands for any address/],
    [['host-relay', '--address', '239.1.2.3'], /option '--address.*not the address of a single host/],
    [['client', '--server', '192.0.2.1', '--bind', '255.255.255.255'], /option '--bind.*single host/],
    [
      ['server', '--address', '192.0.2.1', '--secondary', '192.0.2.1'],
      /--secondary: 192\.0\.2\.1 is the.*first/,
    ],
    [
      ['client', '--server', '192.0.2.1', '--secondary', '192.0.2.1'],
      /--secondary: 192\.0\.2\.1 is the.*first/,
    ],
    [
      ['client', '--server', '192.0.2.1,192.0.2.9', '--secondary', '192.0.2.5'],
      /--secondary is the second address of one server/,
    ],
    [
      ['netcheck', '--server', '192.0.2.1', '--secondary', 'none,'],
      /option '--secondary.*not an IPv4 address/,
    ],
    [['relay', '--address', '192.0.2.1', '--port', '99999'], /not a UDP port from 1 to 65535/],
    [['client', '--server', 'a', '--interface', 'far-too-long-a-name'], /not a name for an interface/],
    [['client', '--server', '192.0.2.1', '--client-id', 'x'], /belong together/],
    [['client', '--server', '192.0.2.1', '--refresh', '1'], /option '--refresh.*not a number of seconds/],
    [['client', '--server', '192.0.2.1', '--secondary', 'nowhere'], /option '--secondary.*"nowhere" is not/],
    [['client', '--server', '192.0.2.1', '--limit', 'nonsense=3'], /there is no limit "nonsense"/],
    [
      ['server', '--address', '192.0.2.1', '--limit', 'answers.shared.burst=many'],
      /"many" is not a whole number/,
    ],
    [['relay', '--address', '192.0.2.1', '--limit', 'peers.trusted'], /is not a limit such as/],
    [['client', '--server', '2001:db8::1'], /option '--server.*is an IPv6 address/],
    [['netcheck', '--server', '192.0.2.1', '--lifetime', '5'], /option '--lifetime.*seconds from 20 to 600/],
    [['netcheck', '--server', '224.0.0.1'], /option '--server.*not the address of a single host/],
    [['client', '--server', '192.0.2.1', '--meet', '2001:db8::1'], /option '--meet.*is an IPv6 address/],
    [['client', '--server', '192.0.2.300'], /option '--server.*is not an IPv4 address/],
    [['client', '--server', 'a', '--default-route', '--no-default-route'], /contradict each other/],
    [
      ['client', '--server', '192.0.2.1', '--client-id', 'x', '--secret-file', '/dev/zero'],
      /\/dev\/zero is longer than 4 MB/,
    ],
    [['relay', '--address', '192.0.2.1', '--serve', '2001:0:1::/48'], /is of Teredo clients/],
    [['relay', '--address', '192.0.2.1', '--serve', '2001:db8::1/32'], /want 2001:db8::\/32/],
    [['server', '--address', '192.0.2.1', '--deny', '203.0.113'], /option '--deny.*neither an IPv4 prefix/],
    [['server', '--address', '192.0.2.1', '--allow', '203.0.113.0/33'], /option '--allow.*neither an IPv4/],
    [
      ['relay', '--address', '192.0.2.1', '--deny', '2001:db8::/32'],
      /option '--deny.*neither an IPv4 prefix/,
    ],
    [['host-relay', '--allow', ''], /option '--allow.*neither an IPv4 prefix/],
    [
      ['relay', '--address', '192.0.2.1', '--deny', '203.0.113.7/24'],
      /option '--deny.*has bits set behind its length: want 203\.0\.113\.0\/24/,
    ],
    [
      ['server', '--address', '192.0.2.1', '--deny', '203.0.113.7', '--allow', '203.0.113.7/32'],
      /--allow, --deny: 203\.0\.113\.7\/32 is both allowed and denied/,
    ],
    [
      ['host-relay', '--deny', '10.0.0.0/8', '--allow', '10.0.0.0/8'],
      /--allow, --deny: 10\.0\.0\.0\/8 is both allowed and denied/,
    ],
    [['address', 'gibberish'], /is not an IPv6 address/],
    [['address', 'make', '--server', '192.0.2.1', '--client', '192.0.2.1'], /not an address and port/],
    [['address', 'make', '--server', '192.0.2.1', '--client', '192.0.2.1:0'], /not an address and port/],
    [['address', 'make', '--server', '192.0.2.1', '--client', '224.0.0.1:1'], /not the address of a single/],
    [['address', 'make', '--server', '0.0.0.0', '--client', '192.0.2.1:1'], /stands for any address/],
    [
      ['address', 'make', '--server', '192.0.2.1', '--client', '192.0.2.1:1', '--flags', '0x0200'],
      /other bits than those of 0x3cff/,
    ],
  ] as const)('%s', ([args, message]) => {
    const { status, lines } = teredo(...args);
    expect(lines.join('\n')).toMatch(message);
    expect(status).toBe(2);
    expect(lines.join('\n')).not.toMatch(/^\s+at /m);
  });
});

test('more prefixes than there is room for: exit status 2, with the option', () => {
  const hosts = (net: number, count: number) =>
    Array.from({ length: count }, (_, i) => `10.${net}.${i >> 8}.${i & 255}`);
  const server = ['server', '--address', '192.0.2.1'];
  const tooMany = teredo(...server, '--deny', ...hosts(1, 1_025));
  expect(tooMany.lines.join('\n')).toMatch(/option '--deny.*there are more than 1024 prefixes/);
  const together = teredo(...server, '--deny', ...hosts(1, 600), '--allow', ...hosts(2, 425));
  expect(together.lines).toEqual(['teredo: --allow, --deny: 1025 prefixes are more than 1024']);
  expect([tooMany.status, together.status]).toEqual([2, 2]);
});

test('a name that does not resolve: exit status 1, with the name', () => {
  const { status, lines } = teredo('netcheck', '--server', 'no-such-host.invalid');
  expect(lines).toEqual([expect.stringMatching(/"no-such-host.invalid" does not resolve/)]);
  expect(status).toBe(1);
});

test('nor one of a relay: exit status 1, with the name and the option', () => {
  const args = ['client', '--server', '192.0.2.1', '--meet', 'no-such-host.invalid'];
  const { status, lines } = teredo(...args);
  expect(lines).toEqual([expect.stringMatching(/"no-such-host.invalid" \(--meet\) does not resolve/)]);
  expect(status).toBe(1);
});

test('an answer that cannot be written: exit status 1', () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const args = ['address', '2001:0:cb00:7178::'];
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', full, 'pipe'],
  });
  expect(stderr).toMatch(/^teredo: cannot write the answer: ENOSPC.*\n$/);
  expect(status).toBe(1);
});

test('no daemon: exit status 3', () => {
  const { status, lines } = teredo('status', 'nobody-has-this-name');
  expect(lines).toEqual([expect.stringMatching(/no teredo daemon named "nobody-has-this-name" is running/)]);
  expect(status).toBe(3);
});

test('an address that is no Teredo address: exit status 1', () => {
  const { status, lines } = teredo('address', '2001:db8::1');
  expect(lines).toEqual([expect.stringMatching(/is no Teredo address/)]);
  expect(status).toBe(1);
});

test('a key file with a bad line: exit status 2, with file and line', () => {
  const file = join(tmpdir(), `teredo-keys-${process.pid}`);
  writeFileSync(file, 'one secret\nonly-one-word\n');
  onTestFinished(() => rmSync(file));
  const { status, lines } = teredo('server', '--address', '192.0.2.1', '--keys', file);
  expect(lines.at(-1)).toMatch(/line 2: want "CLIENT-ID SECRET"/);
  expect(status).toBe(2);
});

describe.runIf(isRoot)('environment', () => {
  test('an address that is not of this host: exit status 1, for it may come later, and no other word', () => {
    const { status, lines } = teredo('server', '--address', '192.0.2.9', '--secondary', 'none');
    expect(lines).toEqual([expect.stringMatching(/192\.0\.2\.9 is not an address of this host/)]);
    expect(status).toBe(1);
  });

  test('a port that is taken: exit status 1, with its holder', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, resolve));
    const { port } = socket.address();
    const { status, lines } = teredo('host-relay', '--port', String(port), '--name', `taken-${process.pid}`);
    socket.close();
    expect(lines.at(-1)).toMatch(new RegExp(`UDP port ${port} is taken \\(by pid ${process.pid}, `));
    expect(status).toBe(1);
  });

  const [command, ...words] = PROGRAM_AS_NOBODY;

  test('a folder for control sockets that is not to be written: exit status 4', asNobody, () => {
    const { status, stderr } = spawnSync(command, [...words, 'host-relay'], {
      encoding: 'utf8',
      env: { ...process.env, TEREDO_RUNTIME_DIR: openFolder() },
      timeout: 20_000,
    });
    expect(stderr).toMatch(/cannot open a control socket in .*EACCES.*TEREDO_RUNTIME_DIR/);
    expect(status).toBe(4);
  });

  test('not root: exit status 4, with the capability', asNobody, () => {
    const folder = openFolder();
    chownSync(folder, NOBODY, NOBODY);
    const { status, stderr } = spawnSync(command, [...words, 'client', '--server', '127.0.0.1'], {
      encoding: 'utf8',
      env: { ...process.env, TEREDO_RUNTIME_DIR: folder },
    });
    expect(stderr).toMatch(/needs root or CAP_NET_ADMIN/);
    expect(status).toBe(4);
  });
});
