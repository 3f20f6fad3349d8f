import { fstatSync } from 'node:fs';
import koffi from 'koffi';
import { beforeEach, expect, test, vi } from 'vitest';
import { sys } from '../libc.ts';
import { libbpf } from './libbpf.ts';
import { LinkStore, TCX, isLinkName } from './link-store.ts';

vi.mock('./libbpf.ts', () => ({ libbpf: vi.fn<typeof libbpf>() }));

/** By descriptor: the interface of an egress link. */
const links = new Map<number, number>();
/** Replacements that were asked for: descriptor of the link, and program. */
const updates: [number, number][] = [];
const refused = new Set<number>();

beforeEach(() => {
  links.clear();
  refused.clear();
  updates.length = 0;
  const fake: Partial<ReturnType<typeof libbpf>> = {
    linkInfo: (fd, info) => {
      const ifindex = links.get(fd);
      if (ifindex === undefined) return -22;
      const fields = [11, 0, 0, 0, ifindex, TCX.egress]; // struct bpf_link_info of a tcx link
      for (const [i, field] of fields.entries()) koffi.encode(BigInt(info), 4 * i, 'uint32', field);
      return 0;
    },
    updateLink: (link, program) => {
      updates.push([link, program]);
      return refused.has(link) ? -22 : 0;
    },
  };
  vi.mocked(libbpf).mockReturnValue(fake as ReturnType<typeof libbpf>);
});

/** Links that a predecessor left at the interfaces 1, 2 and so on. */
function leftLinks(count: number): { store: LinkStore; fds: number[] } {
  const passed = Array.from({ length: count }, (_, i) => {
    const fd = sys.memfdCreate('link', 0);
    links.set(fd, i + 1);
    return { name: `link-egress-${i + 1}`, fd };
  });
  const store = new LinkStore({ keep: () => {}, remove: () => {} }, passed);
  return { store, fds: passed.map(({ fd }) => fd) };
}

test('only names of links are names of links', () => {
  const names = [
    'link-ingress-2',
    'link-egress-4294967295',
    'link-egress-4.2',
    'link-ingress-',
    'link-ingress-3.',
    'link-both-2',
    'udp',
    'link-egress-2 ',
  ];
  expect(names.filter(isLinkName)).toEqual(['link-ingress-2', 'link-egress-4294967295', 'link-egress-4.2']);
});

test('closing a link removes no other link at the same place', () => {
  const kept: string[] = [];
  const store = new LinkStore(
    { keep: (name) => void kept.push(name), remove: (name) => void kept.splice(kept.indexOf(name), 1) },
    [],
  );
  const [first, second] = [sys.memfdCreate('link', 0), sys.memfdCreate('link', 0)];
  store.keep(first, 1, 'egress');
  store.keep(second, 1, 'egress');
  store.close(first);
  expect(kept).toEqual(['link-egress-1.2']);
  links.set(second, 1);
  const successor = new LinkStore({ keep: () => {}, remove: () => {} }, [{ name: kept[0]!, fd: second }]);
  expect(successor.adopt(70, 1, 'egress')).toBe(second);
  successor.close(second);
});

test('a link in a driver alone is none to leave to a successor', () => {
  const store = new LinkStore({ keep: () => {}, remove: () => {} }, []);
  const [driver, ingress] = [sys.memfdCreate('link', 0), sys.memfdCreate('link', 0)];
  store.keep(driver, 1, 'xdp');
  expect(store.hasOpen).toBe(false);
  store.keep(ingress, 1, 'ingress');
  expect(store.hasOpen).toBe(true);
  store.close(ingress);
  expect(store.hasOpen).toBe(false);
  store.close(driver);
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

test('a link that was closed before the replacement is not replaced, though another is opened there', () => {
  const { store, fds } = leftLinks(1);
  store.close(store.adopt(70, 1, 'egress')!);
  const other = sys.memfdCreate('link', 0);
  store.keep(other, 1, 'egress');
  store.takeOver();
  expect([updates, fds.length]).toEqual([[], 1]);
  store.close(other);
});

test('a link that cannot be replaced keeps no other from it, and the rest is detached', () => {
  const { store, fds } = leftLinks(3);
  store.adopt(70, 1, 'egress');
  store.adopt(71, 2, 'egress');
  refused.add(fds[0]!);
  expect(() => store.takeOver()).toThrow('bpf_link_update');
  expect(updates).toEqual([
    [fds[0], 70],
    [fds[1], 71],
  ]);
  expect(store.hasLeft).toBe(false);
  expect(() => fstatSync(fds[2]!)).toThrow('EBADF');
  for (const i of [1, 2]) store.close(fds[i - 1]!);
});
