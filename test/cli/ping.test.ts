/** `teredo ping` prints the lines of the system's ping, and distinguishes a failure from silence. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PROGRAM } from '../support/roles.ts';

/** Runs it with a program "ping" that does this; undefined: with none. */
function teredoPing(script: string | undefined, { mode = 0o755 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-ping-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  if (script !== undefined) {
    writeFileSync(join(folder, 'ping'), script);
    chmodSync(join(folder, 'ping'), mode);
  }
  const args = [PROGRAM, 'ping', '2001:db8::1', '--timeout', '1', '--count', '1'];
  const { status, stderr, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, PATH: folder },
  });
  return { status, stderr, stdout };
}

test('an answer: exit status 0', () => {
  const script = '#!/bin/sh\necho "64 bytes from 2001:db8::1: icmp_seq=1 ttl=64 time=0.5 ms"\n';
  expect(teredoPing(script)).toMatchObject({ status: 0, stdout: expect.stringContaining('0.5 ms') });
});

test('no route: exit status 1 at once, in the words of ping', () => {
  const script = '#!/bin/sh\necho "ping: connect: Network is unreachable" >&2\nexit 2\n';
  expect(teredoPing(script)).toMatchObject({
    status: 1,
    stderr: 'teredo: no answer from 2001:db8::1: ping: connect: Network is unreachable\n',
  });
});

test('a router on the way says that it cannot be reached: exit status 1, in the words of ping', () => {
  const script = `#!/bin/sh
echo "PING 2001:db8::1(2001:db8::1) 56 data bytes"
echo "From 2001:db8::2 icmp_seq=1 Destination unreachable: No route"
echo
echo "--- 2001:db8::1 ping statistics ---"
exit 1
`;
  expect(teredoPing(script)).toMatchObject({
    status: 1,
    stderr:
      'teredo: no answer from 2001:db8::1: From 2001:db8::2 icmp_seq=1 Destination unreachable: No route\n',
  });
});

test('silence: exit status 5, with the time', () => {
  expect(teredoPing('#!/bin/sh\n/bin/sleep 1\nexit 1\n')).toMatchObject({
    status: 5,
    stderr: 'teredo: no answer from 2001:db8::1 within 1 s\n',
  });
});

test('no program "ping", or one that is not to be run: exit status 1, each in its own words', () => {
  expect(teredoPing(undefined)).toMatchObject({ status: 1, stderr: expect.stringContaining('is missing') });
  const { status, stderr } = teredoPing('#!/nowhere\n', { mode: 0o644 });
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^teredo: cannot run "ping": .*EACCES\n$/)]);
});
