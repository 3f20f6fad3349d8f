/** The pair of interfaces in which segments are merged (adr/0036): its size, its names, shortages while it is made, and the rest of a killed process. */
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { removePairOf, removePairsLeftTo } from '../../src/io/kernel-path/merging.ts';
import { execute } from '../../src/lab/index.ts';
import { E, setErrno, sys } from '../../src/linux/libc.ts';
import { readLinks } from '../../src/linux/links.ts';
import { addressOf, findPair, makePair, pairFor, preparePair } from '../../src/linux/merging-pair.ts';
import type { Tunnel } from '../../src/linux/merging-pair.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { setAlias } from '../../src/linux/veth.ts';

const TUNNEL = 'teredo';
/** The most calls to the system while a pair is made. */
const MOST_CALLS = 100;
const names = (): string[] => [...readLinks().values()].map(({ name }) => name);
const pairNames = (): string[] => names().filter((name) => name.includes('-m'));

function addTunnel(name: string): Tunnel {
  execute('ip', ['tuntap', 'add', 'mode', 'tun', name]);
  return [...readLinks().values()].find((link) => link.name === name)!;
}

let tunnel: Tunnel;

beforeEach(() => {
  enterNewNetwork();
  tunnel = addTunnel(TUNNEL);
});

test('the pair takes packets of all lengths', () => {
  const { first, second } = makePair(tunnel, 1);
  preparePair({ first, second });
  for (const { ifindex } of [first, second]) expect(readLinks().get(ifindex)!.mtu).toBe(65_535);
});

test('its addresses are the same in each process, so udev changes none', () => {
  const { first, second } = makePair(tunnel, 1);
  expect(first.linkAddress).toEqual(addressOf(TUNNEL, 'first'));
  expect(second.linkAddress).toEqual(addressOf(TUNNEL, 'second'));
});

test.each([0, 1] as const)(
  'of two pairs of a tunnel one stays; half made: end %i has no name of its tunnel',
  (end) => {
    const half = makePair(tunnel, 1);
    setAlias([half.first, half.second][end]!.ifindex, 'another');
    expect(findPair(tunnel, readLinks())).toBeUndefined();
    const whole = makePair(tunnel, 1);
    removePairOf(tunnel, true);
    expect(names()).not.toContain(half.first.name);
    expect(names()).toEqual(expect.arrayContaining([whole.first.name, whole.second.name]));
    removePairOf(tunnel, false);
    expect(names()).not.toContain(whole.first.name);
  },
);

test('two roles whose names begin in the same way make their pairs at once: each has one', () => {
  const tunnels = [addTunnel('tunnel-of-me-a'), addTunnel('tunnel-of-me-b')] as const;
  const { write } = sys;
  let requests = 0;
  const before = vi.spyOn(sys, 'write').mockImplementation((...args) => {
    // The first request lists the interfaces, the second one makes the pair.
    if (++requests < 2) return write(...args);
    before.mockRestore();
    makePair(tunnels[1], 1);
    return write(...args);
  });
  onTestFinished(() => void vi.restoreAllMocks());
  const pairs = [makePair(tunnels[0], 1), findPair(tunnels[1], readLinks())!];
  expect(new Set(pairs.flatMap(({ first, second }) => [first.name, second.name])).size).toBe(4);
});

test('no name is left: refused, and the interfaces of others stay', () => {
  const lines = Array.from(
    { length: 50 },
    (_, i) => `link add teredo-m${2 * i} type veth peer name teredo-m${2 * i + 1}`,
  );
  execute('ip', ['-batch', '-'], lines.join('\n'));
  expect(() => makePair(tunnel, 1)).toThrow('EEXIST');
  removePairOf(tunnel, false);
  expect(pairNames()).toHaveLength(100);
});

test.each(['socket', 'write', 'read'] as const)(
  'memory is short at any %s while the pair is made: afterwards nothing is left, and it can be made',
  (name) => {
    onTestFinished(() => void vi.restoreAllMocks());
    let wasWhole = false;
    for (let at = 0; at < MOST_CALLS && !wasWhole; at++) {
      const call = sys[name] as (...args: unknown[]) => number;
      let count = 0;
      const spy = vi.spyOn(sys as Record<typeof name, typeof call>, name).mockImplementation((...args) => {
        if (count++ !== at) return call(...args);
        // The kernel has done as it was asked, but its answer is lost.
        if (name === 'read') call(...args);
        setErrno(E.ENOMEM);
        return -1;
      });
      try {
        makePair(tunnel, 1);
        wasWhole = count <= at;
      } catch {
        // As Merging: it takes away all there is.
      }
      spy.mockRestore();
      removePairOf(tunnel, false);
      expect(pairNames(), `${name} ${at}`).toEqual([]);
    }
    expect(wasWhole).toBe(true);
  },
);

test('a pair that a process uses stays, also if its tunnel has another name now; that of a killed one is used further, or removed', () => {
  const used = makePair(tunnel, 1);
  execute('ip', ['link', 'set', TUNNEL, 'name', 'renamed']);
  const other = addTunnel(TUNNEL);
  removePairsLeftTo(TUNNEL);
  expect(pairNames()).toContain(used.first.name);
  expect(findPair(other, readLinks())).toBeUndefined();
  const second = makePair(other, 1);
  execute('ip', ['link', 'delete', TUNNEL]);
  const next = addTunnel(TUNNEL);
  expect(pairFor(next, 1).first.ifindex).toBe(second.first.ifindex);
  addTunnel('third');
  removePairsLeftTo('third');
  expect(pairNames()).toContain(second.first.name);
  execute('ip', ['link', 'delete', TUNNEL]);
  addTunnel(TUNNEL);
  removePairsLeftTo(TUNNEL);
  expect(pairNames()).toEqual(expect.arrayContaining([used.first.name, used.second.name]));
  expect(pairNames()).toHaveLength(2);
});
