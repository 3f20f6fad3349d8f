import { fstatSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sys } from '../libc.ts';
import { LinkStore, isLinkName } from './link-store.ts';

test('only names of links are names of links', () => {
  const names = [
    'link-ingress-2',
    'link-egress-4294967295',
    'link-ingress-',
    'link-both-2',
    'udp',
    'link-egress-2 ',
  ];
  expect(names.filter(isLinkName)).toEqual(['link-ingress-2', 'link-egress-4294967295']);
});

test('a descriptor that is no link is closed and removed', () => {
  const removed: string[] = [];
  const keeper = { keep: () => {}, remove: (name: string) => void removed.push(name) };
  const fd = sys.memfdCreate('no-link', 0);
  const store = new LinkStore(keeper, [{ name: 'link-egress-1', fd }]);
  expect([removed, store.hasLeft, store.hasOpen]).toEqual([['link-egress-1'], false, false]);
  expect(() => fstatSync(fd)).toThrow('EBADF');
  store.takeOver();
  store.discardLeft();
  expect(removed).toHaveLength(1);
});
