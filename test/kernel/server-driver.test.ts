/** What the server's program for drivers leaves to the program behind it, although both would give the same answer. adr/0035 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { DriverWork, ServerConfig } from '../../src/linux/bpf/server-program.ts';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import { DRIVER_VERDICT, VERDICT } from '../../src/linux/bpf/test-run.ts';
import { Memory } from '../../src/linux/libc.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { buildBubble } from '../../src/wire/index.ts';
import { MAPPED, PEER_MAPPED, PRIMARY, at, teredo, v4 } from '../support/client-rig.ts';
import { access } from '../support/access.ts';
import { ServerProgramRig } from '../support/server-program-rig.ts';
import type { Outer } from '../support/server-program-rig.ts';
import { solicitation } from '../support/server-rig.ts';

/** Of `lo`, where the frames of test runs arrive. */
const OWN = new Uint8Array(6);
const [GATEWAY, OTHER] = [Uint8Array.of(2, 0, 0, 0, 0, 2), Uint8Array.of(2, 0, 0, 0, 0, 3)];
const LO = 1;
const WORK: DriverWork = { links: [{ ifindex: LO, address: OWN, gateway: GATEWAY }], near: [] };
/** Of bpf/server.h. */
const [BUDGETS, BUCKETS] = [9, 16_384];

let rig: ServerProgramRig;
beforeAll(() => {
  enterNewNetwork();
  rig = new ServerProgramRig();
});
beforeEach(() => {
  rig.inDriver.allowInDriver(undefined);
  rig.setBudgets();
  configure();
});
afterAll(() => rig.close());

function configure(more: Partial<ServerConfig> = {}): void {
  rig.configure({ driver: WORK, ...more });
}

/** How often a program gives each verdict on a frame, on a processor of its own where there is one. */
function verdictsOf(program: number, frame: Uint8Array, runs: number): Promise<Record<number, number>> {
  const worker = new Worker(new URL('../support/asks-in-parallel.mjs', import.meta.url), {
    workerData: { program, frame, runs },
  });
  return new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
}

function frameBetween(to: Uint8Array, from: Uint8Array, payload = solicitation(), outer: Outer = {}) {
  const frame = rig.wrap(payload, outer);
  frame.set(to, 0);
  frame.set(from, 6);
  return frame;
}

/** Whether the driver answers, and all others of the datagrams that follow are answered by the program behind it. */
function answeredInDriver(to = OWN, from = GATEWAY, outer: Outer = {}): boolean {
  const before = rig.inDriver.readCounters();
  expect(rig.runInDriver(frameBetween(to, from, solicitation(), outer)).verdict).toBe(VERDICT.carried);
  const after = rig.inDriver.readCounters();
  expect(after.solicitationsAnswered).toBe(before.solicitationsAnswered + 1);
  return after.answeredInDriver > before.answeredInDriver;
}

/** Descriptors of this process's maps of buckets. */
function bucketMaps(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => {
      const path = `/proc/self/fdinfo/${fd}`; // that of the listing itself is closed
      return existsSync(path) && readFileSync(path, 'utf8').includes(`max_entries:\t${BUDGETS * BUCKETS}\n`);
    });
}

/** Moves the times of all used buckets of the first kind, answers, into the future. */
function moveAhead(map: number, units: bigint): void {
  const [key, value] = [new Memory(4), new Memory(8)];
  for (let place = 0; place < BUCKETS; place++) {
    key.view.setUint32(0, place, true);
    check('bpf_map_lookup_elem', libbpf().lookup(map, key.address, value.address));
    const bucket = value.view.getBigUint64(0, true);
    if (bucket === 0n) continue;
    value.view.setBigUint64(0, bucket + (units << 36n), true);
    check('bpf_map_update_elem', libbpf().update(map, key.address, value.address, 0));
  }
}

test('frames of other hosts than the gateway, or to other hosts', () => {
  expect(answeredInDriver()).toBe(true);
  expect(answeredInDriver(OWN, OTHER)).toBe(false);
  for (let octet = 0; octet < 6; octet++) {
    const changed = (address: Uint8Array) => address.with(octet, 77);
    expect(answeredInDriver(OWN, changed(GATEWAY))).toBe(false);
    expect(rig.runInDriver(frameBetween(changed(OWN), GATEWAY)).verdict).toBe(VERDICT.goOn);
  }
});

test('sources that are reached without the gateway', () => {
  const near = [{ address: v4('198.51.100.0'), prefixLength: 24 }];
  configure({ driver: { ...WORK, near } });
  expect(answeredInDriver(OWN, GATEWAY, { from: at('198.51.100.255:1') })).toBe(false);
  expect(answeredInDriver(OWN, GATEWAY, { from: at('198.51.101.0:1') })).toBe(true);
});

test('where there may be several ways out, the answer goes to the host that asked', () => {
  configure({ uplink: 0 });
  expect(answeredInDriver(OWN, OTHER)).toBe(true);
  configure({ uplink: 7 });
  expect(answeredInDriver()).toBe(false);
});

test('interfaces that are not among its own', () => {
  const others = [2, 3, 4].map((ifindex) => ({ ...WORK.links[0]!, ifindex }));
  configure({ driver: { links: others, near: [] } });
  expect(answeredInDriver()).toBe(false);
  for (let i = 0; i <= others.length; i++) {
    configure({ driver: { links: [...others.slice(i), ...WORK.links, ...others.slice(0, i)], near: [] } });
    expect(answeredInDriver()).toBe(true);
  }
});

test('all beyond the permitted number', () => {
  rig.inDriver.allowInDriver(2);
  expect([1, 2, 3, 4].map(() => answeredInDriver())).toEqual([true, true, false, false]);
  rig.inDriver.allowInDriver(0);
  expect(answeredInDriver()).toBe(false);
});

test('all while the program behind it only watches, or is off, or nobody gives a sign of life', () => {
  for (const mode of ['watch', 'off'] as const) {
    configure({ mode });
    expect(rig.runInDriver(frameBetween(OWN, GATEWAY)).verdict).toBe(VERDICT.goOn);
  }
  configure();
  rig.liveUntil(process.hrtime.bigint() - 100_000_000n);
  expect(rig.runInDriver(frameBetween(OWN, GATEWAY)).verdict).toBe(VERDICT.goOn);
  rig.liveUntil(1n << 62n);
});

test('samples, which reach the sockets', async () => {
  configure({ sampleMs: 200 });
  expect(answeredInDriver()).toBe(true);
  const begun = performance.now();
  await eventually(() => expect(performance.now() - begun).toBeGreaterThan(220));
  const left = rig.inDriver.readCounters().leftToSockets;
  expect(rig.runInDriver(frameBetween(OWN, GATEWAY)).verdict).toBe(VERDICT.goOn);
  expect(rig.inDriver.readCounters().leftToSockets).toBe(left + 1);
  expect(answeredInDriver()).toBe(true);
});

test('bubbles, and checksums that a virtual link may have left to the receiver', () => {
  const bubble = buildBubble(teredo(PRIMARY, MAPPED), teredo(PRIMARY, PEER_MAPPED), 21);
  const before = rig.inDriver.readCounters().forwardedToClients;
  expect(rig.runInDriver(frameBetween(OWN, GATEWAY, bubble)).verdict).toBe(VERDICT.carried);
  expect(rig.inDriver.readCounters().forwardedToClients).toBe(before + 1);
  const unfinished = frameBetween(OWN, GATEWAY, solicitation(), { checksum: 'unfinished' });
  expect(rig.runInDriver(unfinished).verdict).toBe(VERDICT.goOn);
});

test('an address has one limit, in the driver and behind it together', () => {
  const none = { perSecond: 0, burst: 0 };
  rig.setBudgets({ answers: { shared: { perSecond: 0, burst: 6 }, member: none, reserve: none } });
  const verdicts = Array.from({ length: 10 }, (_, i) =>
    rig.runInDriver(
      frameBetween(OWN, i % 2 === 0 ? GATEWAY : OTHER, solicitation(), { from: at('192.0.2.90:1') }),
    ),
  ).map(({ verdict }) => verdict);
  const [yes, no] = [VERDICT.carried, VERDICT.dropped];
  expect(verdicts).toEqual([yes, yes, yes, yes, yes, yes, no, no, no, no]);
  expect(rig.inDriver.takeReachedLimits()).toMatchObject([{ limit: 'answers', times: 4 }]);
});

test('no answer too many and none too few when several processors ask at once, in the driver and behind it', async () => {
  const none = { perSecond: 0, burst: 0 };
  const burst = 20_000;
  rig.setBudgets({ answers: { shared: { perSecond: 0, burst }, member: none, reserve: none } });
  const frame = frameBetween(OWN, GATEWAY, solicitation(), { from: at('192.0.2.91:1') });
  const { driverFd, fd } = rig.inDriver;
  const verdicts = await Promise.all(
    [driverFd, fd, driverFd].map((program) => verdictsOf(program, frame, burst)),
  );
  const answers = verdicts.map(
    (counts, i) => counts[i === 1 ? VERDICT.carried : DRIVER_VERDICT.carried] ?? 0,
  );
  expect(answers.reduce((sum, count) => sum + count)).toBe(burst);
});

test('no answer beyond the permitted number when several processors ask at once', async () => {
  const permitted = 20_000;
  rig.inDriver.allowInDriver(permitted);
  const frames = [91, 92, 93].map((last) =>
    frameBetween(OWN, GATEWAY, solicitation(), { from: at(`192.0.2.${last}:1`) }),
  );
  const { driverFd } = rig.inDriver;
  const verdicts = await Promise.all(frames.map((frame) => verdictsOf(driverFd, frame, 2 * permitted)));
  const answers = verdicts.map((counts) => counts[DRIVER_VERDICT.carried] ?? 0);
  expect(answers.reduce((sum, count) => sum + count)).toBe(permitted);
});

test.for([100, 1_000, 4_000])(
  'a limit that is used up stays so for a processor whose clock is %i units behind',
  (units) => {
    const none = { perSecond: 0, burst: 0 };
    rig.setBudgets({ answers: { shared: { perSecond: 0.01, burst: 3 }, member: none, reserve: none } });
    const frame = frameBetween(OWN, GATEWAY, solicitation(), { from: at(`192.0.2.${100 + units / 100}:1`) });
    const verdict = (): number => rig.runInDriver(frame).verdict;
    expect([1, 2, 3, 4].map(verdict)).toEqual([
      ...Array.from({ length: 3 }, () => VERDICT.carried),
      VERDICT.dropped,
    ]);
    for (const map of bucketMaps()) moveAhead(map, BigInt(units));
    expect(verdict()).toBe(VERDICT.dropped);
  },
);

test('datagrams of denied addresses go no further than the driver', () => {
  configure({ access: access('-192.0.2.0/24') });
  const before = rig.inDriver.readCounters().droppedDenied;
  expect(rig.runInDriver(frameBetween(OWN, GATEWAY)).verdict).toBe(VERDICT.dropped);
  expect(rig.inDriver.readCounters().droppedDenied).toBe(before + 1);
});
