import { describe, expect, onTestFinished, test } from 'vitest';
import { access } from '../../test/support/access.ts';
import { PRIMARY, at, seededEntropy, teredo } from '../../test/support/client-rig.ts';
import { solicitation } from '../../test/support/server-rig.ts';
import type { AccessList } from '../core/access-list.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import type { ServerPath, ServerPathOptions, ServerWork } from '../io/ports.ts';
import { buildBubble } from '../wire/index.ts';
import { Server } from './server.ts';
import type { ServerSettings } from './server.ts';

/** The work of a server process beside a kernel that does a part. */

const CLIENT = at('192.0.2.10:4000');
const LIMIT = { perSecond: 0, burst: 8 };
const NONE = { perSecond: 0, burst: 0 };
const FAIR = { shared: LIMIT, member: NONE, reserve: NONE };
const LIMITS = {
  answers: FAIR,
  forwarded: FAIR,
  forwardedByPair: FAIR,
  forwardedIcmp: FAIR,
  forwardedIcmpByPair: LIMIT,
  nativeByClient: FAIR,
  native: FAIR,
};
const ALL: ServerWork = { answers: true, forwards: true };
const NOTHING: ServerWork = { answers: false, forwards: false, reason: 'the interface has gone' };

/** In place of the kernel: does nothing, and reports as the test wants. */
class FalsePath implements ServerPath {
  readonly counters = { solicitationsAnswered: 3 };
  work: ServerWork;
  options: ServerPathOptions | undefined;
  isOpen = true;
  access: AccessList | undefined;
  limits: ServerPathOptions['limits'] | undefined;
  /** Its work once it has another list. */
  afterAccess: ServerWork | undefined;
  private onChange: () => void = () => undefined;

  constructor(work: ServerWork) {
    this.work = work;
  }

  start(onChange: () => void): void {
    this.onChange = onChange;
  }

  setAccess(access: AccessList): void {
    this.access = access;
    if (this.afterAccess !== undefined) this.work = this.afterAccess;
  }

  setLimits(limits: ServerPathOptions['limits']): void {
    this.limits = limits;
  }

  change(work: ServerWork): void {
    this.work = work;
    this.onChange();
  }

  close(): void {
    this.isOpen = false;
  }
}

async function running(path: FalsePath, settings: Partial<ServerSettings> = {}) {
  const wire = new MemoryIpv4Network();
  const ports = new MemoryPorts(wire, [PRIMARY.address], seededEntropy(1));
  ports.openServerPath = (options) => {
    path.options = options;
    return path;
  };
  const server = new Server({ address: PRIMARY.address, limits: LIMITS, ...settings }, ports);
  onTestFinished(() => server.close());
  await server.start();
  const client = wire.bind(CLIENT.address, CLIENT.port, CLIENT.address);
  let heard = 0;
  client.start(({ count }) => (heard += count));
  /** How many of twenty were answered. */
  const got = async (payload: Uint8Array): Promise<number> => {
    heard = 0;
    for (let i = 0; i < 20; i++) client.send(payload, 0, payload.length, PRIMARY.address, PRIMARY.port);
    client.flush();
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    return heard;
  };
  const own = teredo(PRIMARY, CLIENT);
  return { server, answered: () => got(solicitation()), forwarded: () => got(buildBubble(own, own, 21)) };
}

describe('each data path has the limits of its work, or its share', () => {
  test.each<[string, ServerWork, number, number]>([
    ['all', ALL, 2, 2],
    ['answers only: bubbles have several ways out', { answers: true, forwards: false }, 2, 8],
    ['bubbles only: clients have keys', { answers: false, forwards: true }, 8, 2],
    ['nothing', NOTHING, 8, 8],
  ])('the kernel does %s', async (_what, work, answers, bubbles) => {
    const path = new FalsePath(work);
    const { answered, forwarded } = await running(path);
    expect([await answered(), await forwarded()]).toEqual([answers, bubbles]);
    expect(path.options!.limits).toMatchObject({
      answers: { shared: { burst: 6 } },
      forwarded: { shared: { burst: 6 } },
      forwardedByPair: { shared: { burst: 6 } },
    });
  });

  test('as that changes: only a limit with another part starts again', async () => {
    const path = new FalsePath(ALL);
    const { answered, forwarded } = await running(path);
    expect([await answered(), await forwarded()]).toEqual([2, 2]);
    path.change({ answers: true, forwards: false });
    expect([await answered(), await forwarded()]).toEqual([0, 8]);
    path.change(ALL);
    expect([await answered(), await forwarded()]).toEqual([0, 2]);
    path.change(NOTHING);
    expect([await answered(), await forwarded()]).toEqual([8, 8]);
  });

  test('limits that change while it runs: both get their part, and used tokens stay used', async () => {
    const path = new FalsePath(ALL);
    const { server, answered } = await running(path);
    expect(await answered()).toBe(2);
    server.setLimits({ ...LIMITS, answers: { ...FAIR, shared: { perSecond: 0, burst: 40 } } });
    expect(path.limits).toMatchObject({ answers: { shared: { burst: 30 } } });
    expect(await answered()).toBe(0);
    path.change(NOTHING);
    expect(await answered()).toBe(20);
    expect(() => server.setLimits({ ...LIMITS, native: LIMIT } as never)).toThrow(/limits\.native/);
  });

  test('a limit of one is one: half a datagram is never sent', async () => {
    const one = { perSecond: 0, burst: 1 };
    const { answered } = await running(new FalsePath(ALL), {
      limits: { ...LIMITS, answers: { ...FAIR, shared: one } },
    });
    expect(await answered()).toBe(1);
  });
});

test('the data path is the kernel while that does anything, else this process, and why', async () => {
  const path = new FalsePath(ALL);
  const { server } = await running(path);
  const said: unknown[] = [];
  server.on('data-path', (dataPath) => said.push(dataPath));
  expect(server.dataPath).toEqual({ kind: 'kernel' });
  path.change({ answers: true, forwards: false });
  path.change(NOTHING);
  expect(server.dataPath).toEqual({ kind: 'user', reason: 'the interface has gone' });
  path.change(ALL);
  expect(said).toEqual([{ kind: 'user', reason: 'the interface has gone' }, { kind: 'kernel' }]);
  expect(server.counters['solicitationsAnswered']).toBe(3);
});

test('unknown rules of the host are reported, while the kernel works', async () => {
  const path = new FalsePath({ ...ALL, unknown: 'iptables (EACCES)' });
  const { server } = await running(path);
  expect(server.dataPath).toEqual({ kind: 'kernel', unknown: 'iptables (EACCES)' });
});

test('the kernel learns how many datagrams of its kind have come to this process: answered, or refused by a limit', async () => {
  const path = new FalsePath(ALL);
  const { answered, forwarded } = await running(path);
  expect(path.options!.arrived()).toBe(0);
  expect(await answered()).toBe(2);
  expect(path.options!.arrived()).toBe(20);
  expect(await forwarded()).toBe(2);
  expect(path.options!.arrived()).toBe(40);
});

test('with --data-path kernel the kernel works from the start', async () => {
  const path = new FalsePath(NOTHING);
  await expect(running(path, { dataPath: 'kernel' })).rejects.toMatchObject({
    code: 'no-kernel-path',
    message: 'the interface has gone',
  });
  expect(path.isOpen).toBe(false);
});

describe('the access list', () => {
  const deny = access('-192.0.2.10');

  test("is the process's and the kernel's, from the start", async () => {
    const path = new FalsePath(ALL);
    const { server, answered } = await running(path, { access: deny });
    expect(await answered()).toBe(0);
    expect([server.access, path.options!.access]).toEqual([deny, deny]);
    expect(server.counters['droppedDenied']).toBe(20);
  });

  test('and when it changes', async () => {
    const path = new FalsePath(ALL);
    const { server, answered } = await running(path);
    server.setAccess(deny);
    expect([server.access, path.access]).toEqual([deny, deny]);
    expect(await answered()).toBe(0);
    server.setAccess(access());
    expect(await answered()).toBe(2);
  });

  test('of a server that has not begun is the one that it begins with', async () => {
    const path = new FalsePath(ALL);
    const wire = new MemoryIpv4Network();
    const ports = new MemoryPorts(wire, [PRIMARY.address], seededEntropy(1));
    ports.openServerPath = (options) => {
      path.options = options;
      return path;
    };
    const server = new Server({ address: PRIMARY.address }, ports);
    onTestFinished(() => server.close());
    server.setAccess(deny);
    await server.start();
    expect(path.options!.access).toBe(deny);
  });

  test('that the kernel cannot take leaves all of the work to the process, which says so', async () => {
    const path = new FalsePath(ALL);
    const { server, answered } = await running(path);
    const said: unknown[] = [];
    server.on('data-path', (dataPath) => said.push(dataPath));
    path.afterAccess = NOTHING;
    server.setAccess(access('-192.0.2.11'));
    expect(said).toEqual([{ kind: 'user', reason: 'the interface has gone' }]);
    expect(await answered()).toBe(8);
  });
});
