import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import type { Attachment } from '../../src/linux/bpf/attachment.ts';
import { LinkStore } from '../../src/linux/bpf/link-store.ts';
import { attachXdp } from '../../src/linux/bpf/xdp-attachment.ts';
import { sys } from '../../src/linux/libc.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { loadPassingXdp } from '../support/passing-xdp.ts';

/** A program in the driver: where it is attached, and where not and why. */

const WAN = { ifindex: 10, name: 'wan', kind: 'veth' };
const CUTS = ['tso', 'off'];
/** The number of the service manager's copy of a descriptor. */
const COPY = 700;

let program: number;
beforeAll(() => {
  program = loadPassingXdp();
});
beforeEach(() => {
  enterNewNetwork();
  execute('ip', ['link', 'add', 'wan', 'index', '10', 'type', 'veth', 'peer', 'name', 'far']);
  for (const name of ['wan', 'far']) execute('ip', ['link', 'set', name, 'up']);
});

/** The program in the driver, as `ip` shows it. */
function attachedTo(name: string): boolean {
  return execute('ip', ['link', 'show', name]).includes('prog/xdp');
}

function attached(result: Attachment | string): Attachment {
  if (typeof result === 'string') expect.fail(result);
  onTestFinished(() => void result.close());
  return result;
}

test('in the driver until it is closed', () => {
  const attachment = attached(attachXdp(program, WAN, 'on'));
  expect([attachedTo('wan'), attachment.isAttached()]).toEqual([true, true]);
  expect(execute('ip', ['link', 'show', 'wan'])).not.toContain('xdpgeneric');
  expect([attachment.close(), attachment.close()]).toEqual([true, true]);
  expect([attachedTo('wan'), attachment.isAttached()]).toEqual([false, false]);
});

test('another process detaches it, or the interface goes: that is seen', () => {
  const first = attached(attachXdp(program, WAN, 'on'));
  const links = JSON.parse(execute('bpftool', ['-j', 'link', 'show'])) as { id: number; prog_id: number }[];
  const { id } = links.find((link) => String(link.prog_id) === idOf(program))!;
  execute('bpftool', ['link', 'detach', 'id', String(id)]);
  expect(first.isAttached()).toBe(false);
  const second = attached(attachXdp(program, WAN, 'on'));
  execute('ip', ['link', 'delete', 'wan']);
  expect(second.isAttached()).toBe(false);
});

test('another XDP program is never replaced, attached by a link or without one', () => {
  const other = attached(attachXdp(loadPassingXdp(), WAN, 'on'));
  expect(attachXdp(program, WAN, 'on')).toBe('another XDP program is there');
  other.close();
  execute('bpftool', ['net', 'attach', 'xdpdrv', 'id', idOf(program), 'dev', 'wan']);
  expect(attachXdp(program, WAN, 'on')).toBe('another XDP program is there');
  execute('bpftool', ['net', 'detach', 'xdpdrv', 'dev', 'wan']);
  execute('bpftool', ['net', 'attach', 'xdpgeneric', 'id', idOf(program), 'dev', 'wan']);
  expect(attachXdp(program, WAN, 'on')).toBe('another XDP program is there');
});

test('where nothing is attached: no XDP in the driver, a large MTU, an interface that has gone', () => {
  execute('ip', ['link', 'add', 'bridge', 'index', '11', 'type', 'bridge']);
  const bridge = { ifindex: 11, name: 'bridge', kind: 'bridge' };
  expect(attachXdp(program, bridge, 'auto')).toBe('the driver cannot run XDP programs');
  execute('ip', ['link', 'set', 'far', 'mtu', '9000']);
  expect(attachXdp(program, WAN, 'on')).toBe('the MTU is too large for XDP');
  expect(attachXdp(program, { ...WAN, ifindex: 12, name: 'gone' }, 'on')).toBe(
    'the features of the interface cannot be read',
  );
  expect(attachXdp(program, { ...WAN, ifindex: 12 }, 'on')).toContain('(EINVAL)');
});

test('by itself never on a veth, whether it passes super-packets or not', () => {
  expect(attachXdp(program, WAN, 'auto')).toContain('veth');
  execute('ethtool', ['-K', 'wan', ...CUTS]);
  expect(attachXdp(program, WAN, 'auto')).toContain('veth');
  expect(attachedTo('wan')).toBe(false);
  attached(attachXdp(program, WAN, 'on'));
  expect(attachedTo('wan')).toBe(true);
});

/** A successor that has the links of a predecessor, whose program is in the driver of `wan`. */
function successor(): LinkStore {
  const kept = new Map<string, number>();
  const keeper = {
    keep: (name: string, fd: number) => void kept.set(name, sys.dup2(fd, COPY)),
    remove: (name: string) => {
      if (kept.delete(name)) sys.close(COPY);
    },
  };
  const predecessor = new LinkStore(keeper, []);
  const first = attached(attachXdp(program, WAN, 'on', predecessor));
  expect([...kept.keys()]).toEqual(['link-xdp-10']);
  predecessor.leave();
  first.close();
  expect(attachedTo('wan')).toBe(true);
  const store = new LinkStore(keeper, [{ name: 'link-xdp-10', fd: kept.get('link-xdp-10')! }]);
  kept.clear();
  return store;
}

test('a link is left to a successor, whose program takes its place', () => {
  const store = successor();
  const next = loadPassingXdp();
  const second = attached(attachXdp(next, WAN, 'on', store));
  store.takeOver();
  expect(execute('ip', ['-d', 'link', 'show', 'wan'])).toContain(`prog/xdp id ${idOf(next)}`);
  second.close();
  expect(attachedTo('wan')).toBe(false);
});

test('where a successor would attach none by itself, it does not take over the one that is there', () => {
  const store = successor();
  expect(attachXdp(program, WAN, 'auto', store)).toContain('veth');
  expect(attachedTo('wan'), 'until it takes over').toBe(true);
  store.takeOver();
  expect(attachedTo('wan')).toBe(false);
});

test('not at a bond or team, whose parts run the program', () => {
  for (const kind of ['bond', 'team'])
    expect(attachXdp(program, { ...WAN, kind }, 'on')).toBe(
      `a ${kind} runs the program at its parts, where no datagram is known`,
    );
});

/** The kernel's number of a program. */
function idOf(fd: number): string {
  return /prog_id:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!;
}
