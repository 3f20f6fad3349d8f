/** The system refuses the pair of interfaces in which segments are merged (adr/0036): there is a reason, and no part of a pair is left. */
import { expect, test, vi } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import { E } from '../../src/linux/libc.ts';
import { readLinks } from '../../src/linux/links.ts';
import { NetlinkQuery } from '../../src/linux/netlink.ts';
import { mergingOf, startMerging } from '../support/merging-rig.ts';

const namesOfPairs = (): string[] =>
  [...readLinks().values()].map(({ name }) => name).filter((name) => name.startsWith('teredo-m'));

/** All names that a pair of the tunnel `teredo` can have. */
function takeAllNames(): void {
  const lines = Array.from(
    { length: 50 },
    (_, i) => `link add teredo-m${2 * i} type veth peer name teredo-m${2 * i + 1}`,
  );
  execute('ip', ['-batch', '-'], lines.join('\n'));
}

function refuse(error: number): void {
  vi.spyOn(NetlinkQuery.prototype, 'change').mockReturnValue(false);
  vi.spyOn(NetlinkQuery.prototype, 'refusal', 'get').mockReturnValue(error);
}

test.each([
  ['the kernel has no veth', () => refuse(E.EOPNOTSUPP), 'the kernel has no virtual interfaces (veth)', 0],
  ['no right', () => refuse(E.EPERM), 'no virtual interfaces (veth) may be made', 0],
  ['all names are taken', takeAllNames, 'the names of the virtual interfaces (veth) are taken', 100],
] as const)('%s: nothing is merged, for a reason', (_, prevent, reason, others) => {
  const { merging, find } = startMerging();
  prevent();
  for (let i = 0; i < 2; i++) {
    expect(merging.follow(find)).toEqual({ pair: 0, reason });
    // Only a change of the host, or a reset, is worth another attempt.
    expect(merging.look()).toBe(false);
  }
  vi.restoreAllMocks();
  expect(namesOfPairs()).toHaveLength(others);
});

test('another program has changed the addresses of the pair: the next process configures its programs as those of the killed one', () => {
  const { merging, find, addresses } = startMerging();
  expect(merging.follow(find).pair).toBeGreaterThan(0);
  execute('ip', ['link', 'set', 'teredo-m0', 'address', '02:00:00:00:00:99']);
  const next = mergingOf('teredo');
  expect(next.merging.follow(find).pair).toBe(merging.pairIndex);
  expect(next.addresses).toEqual(addresses);
});
