/**
 * Kernels before 6.3 unwrap with other helpers than later ones. On a kernel that has both, each datagram has to have the same result with
 * either. An older kernel has nothing to compare, and the tests of the programs use the helpers that it has.
 */
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { CONFIG, KERNEL_COUNTERS, ROLE, UNWRAP, UPLINK } from '../../src/linux/bpf/layout.ts';
import type { Unwrap } from '../../src/linux/bpf/layout.ts';
import { OwnPorts } from '../../src/linux/bpf/own-ports.ts';
import { PeerMap } from '../../src/linux/bpf/peer-map.ts';
import { PeerProgram, loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { writeRecord } from '../../src/linux/bpf/records.ts';
import { VERDICT, testRun } from '../../src/linux/bpf/test-run.ts';
import { internetChecksum, writeUint16, writeUint32 } from '../../src/wire/index.ts';
import { kernelRig } from '../contract/ebpf-kernel-path-rig.ts';
import { data, v4, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';

const chosen = vi.hoisted((): { ways: Unwrap[] | undefined } => ({ ways: undefined }));
vi.mock('../../src/linux/bpf/peer-program.ts', async (original) => {
  const module = await original<{ loadPeerProgram: typeof loadPeerProgram }>();
  return {
    ...module,
    loadPeerProgram: (sizes: Parameters<typeof loadPeerProgram>[0]) =>
      module.loadPeerProgram(sizes, chosen.ways),
  };
});

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const LOCAL = v4('192.0.2.1');
const PLACE = { address: v4('198.51.100.7'), port: 40_000 };
const PORT = 3_545;
const SIZES = { peers: 16, served: 16, proofs: 16, reports: 1 << 16 };
const ETHERNET = 14;

const hasBoth = loads(UNWRAP.byOneCall);

test('with two helpers every kernel can; with one some can, and then that is chosen', () => {
  expect(loads(UNWRAP.byTwoCalls)).toBe(true);
  const program = loadPeerProgram(SIZES);
  onTestFinished(() => program.close());
  expect(program.unwrap).toBe(hasBoth ? UNWRAP.byOneCall : UNWRAP.byTwoCalls);
});

test.runIf(hasBoth)('with one helper or with two: the same verdict, the same bytes', () => {
  const [one, two] = [open(UNWRAP.byOneCall), open(UNWRAP.byTwoCalls)];
  const verdicts = new Set<number>();
  const datagram = fc.record({
    size: fc.integer({ min: 40, max: 1_280 }),
    inner: fc.integer({ min: 0, max: 3 }),
    outer: fc.integer({ min: 0, max: 3 }),
    next: fc.constantFrom(6, 17, 58, 59),
    known: fc.boolean(),
  });
  fc.assert(
    fc.property(datagram, ({ size, inner, outer, next, known }) => {
      const packet = data(known ? PEER : OWN, OWN, size);
      packet[1] = inner << 4;
      packet[6] = next;
      const frame = wrap(packet, outer);
      for (const { hear } of [one, two]) hear(); // otherwise some would be left to the socket as samples
      const got = testRun(one.decap, frame);
      expect(testRun(two.decap, frame)).toEqual(got);
      if (got.verdict === VERDICT.carried) expect(got.frame.length).toBe(ETHERNET + size);
      verdicts.add(got.verdict);
    }),
    { numRuns: 500 },
  );
  expect(verdicts).toEqual(new Set([VERDICT.goOn, VERDICT.dropped, VERDICT.carried]));
});

test.each(Object.entries(UNWRAP).filter(([, way]) => hasBoth || way === UNWRAP.byTwoCalls))(
  '%s: super-packets of a kind that the kernel cannot unwrap are left to the process unchanged',
  (_, way) => {
    const { program, decap, hear } = open(way);
    const frame = wrap(data(PEER, OWN, 1_200), 0);
    hear();
    expect(testRun(decap, frame, 1_000)).toEqual({ verdict: VERDICT.goOn, frame });
    expect(program.readCounters(KERNEL_COUNTERS)).toMatchObject({ inRefused: 1, carriedIn: 0 });
    expect(testRun(decap, frame).verdict).toBe(VERDICT.carried);
  },
);

test('with two helpers the packets of a real peer are carried', async () => {
  chosen.ways = [UNWRAP.byTwoCalls];
  onTestFinished(() => void (chosen.ways = undefined));
  const { kernelPath, peer, clock, peerSends, hostGot, ...user } = await kernelRig('client');
  kernelPath.setOwn(OWN);
  kernelPath.offload(PEER, 0, peer.address, peer.port, clock.now());
  kernelPath.flush();
  const packets = [40, 41, 600, 1_280].map((size) => data(PEER, OWN, size));
  for (const packet of packets) peerSends(packet);
  await eventually(() => expect(hostGot()).toEqual(packets));
  expect(user.fromSocket).toEqual([]);
});

function loads(way: Unwrap): boolean {
  const program = new PeerProgram(SIZES, way);
  const { isUsable } = program;
  program.close();
  return isUsable;
}

/** `hear`: the peer is heard now. */
function open(way: Unwrap): { program: PeerProgram; decap: number; hear: () => void } {
  const program = new PeerProgram(SIZES, way);
  onTestFinished(() => program.close());
  writeRecord(program.map('config'), 0, CONFIG.SIZE, (view, bytes) => {
    bytes.set(OWN, CONFIG.own);
    view.setUint32(CONFIG.tunnel, 1, true);
    view.setUint8(CONFIG.role, ROLE.client);
  });
  writeRecord(program.map('uplinks'), 0, UPLINK.SIZE, (view) => {
    view.setUint32(UPLINK.ifindex, 1, true);
    view.setUint32(UPLINK.source, LOCAL);
  });
  new OwnPorts(program.map('ports')).add(PORT);
  const peers = new PeerMap(program.map('peers'));
  const hear = (): void => {
    const now = Number(process.hrtime.bigint());
    expect(peers.put(PEER, 0, { ...PLACE, localPort: PORT, uplink: 0 }, now, now)).toBe(0);
  };
  return { program, decap: program.program('decap'), hear };
}

/** The frame of a datagram of the peer. */
function wrap(packet: Uint8Array, ecn: number): Uint8Array {
  const frame = new Uint8Array(ETHERNET + 28 + packet.length);
  const datagram = frame.subarray(ETHERNET);
  frame.set([8, 0], 12);
  datagram[0] = 0x45;
  datagram[1] = ecn;
  writeUint16(datagram, 2, datagram.length);
  datagram.set([64, 17], 8);
  writeUint32(datagram, 12, PLACE.address);
  writeUint32(datagram, 16, LOCAL);
  writeUint16(datagram, 10, internetChecksum(datagram, 0, 20));
  writeUint16(datagram, 20, PLACE.port);
  writeUint16(datagram, 22, PORT);
  writeUint16(datagram, 24, 8 + packet.length);
  datagram.set(packet, 28);
  return frame;
}
