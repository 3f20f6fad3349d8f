import { expect, test } from 'vitest';
import { explainGuest } from './explain-guest.ts';

/** The reason for these messages of `unshare` or `nsenter`, on a system with these settings. */
function reason(complaints: string, settings: Readonly<Record<string, string>> = {}): string {
  const { code, message } = explainGuest(undefined, complaints, false, (name) => settings[name]);
  return `${code}: ${message}`;
}

/** Ubuntu permits the namespace, but no rights in it: at once, or when its numbers of users are written. */
test.for([
  'unshare: unshare failed: Operation not permitted\n',
  'unshare: write failed /proc/self/uid_map: Operation not permitted\n',
])("AppArmor's restriction: %s", (complaints) => {
  const settings = { 'kernel/apparmor_restrict_unprivileged_userns': '1' };
  expect(reason(complaints, settings)).toMatch(/^not-permitted: .*AppArmor.*install the \.deb/);
});

test('user namespaces are for root only', () => {
  const refused = 'unshare: unshare failed: Operation not permitted\n';
  expect(reason(refused, { 'kernel/unprivileged_userns_clone': '0' })).toMatch(
    /^not-permitted: .*for root only: "sysctl -w kernel.unprivileged_userns_clone=1"/,
  );
});

test('other messages are passed on, the first line of them', () => {
  expect(reason('unshare: fork failed: Cannot allocate memory\nmore\n')).toBe(
    'system: no private network could be made: unshare: fork failed: Cannot allocate memory',
  );
  expect(reason('')).toBe('system: no private network could be made: its first process has ended');
  expect(explainGuest(undefined, 'slow', true).message).toBe(
    'the private network was not ready in time: slow',
  );
});

test('the user has no rights over the network of a container', () => {
  const said = "nsenter: reassociate to namespace 'ns/user' failed: Operation not permitted\n";
  expect(reason(said)).toMatch(/^not-permitted: .*no rights over that network .*attach as the user/);
  expect(explainGuest({ call: 'TUNSETIFF', code: 'EPERM' }, '', false).message).toMatch(/has no root/);
});
