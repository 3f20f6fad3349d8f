/**
 * How long the server's program takes for a solicitation, and a null program (null.bpf.c) that sends it back: the kernel's own measurement
 * (kernel.bpf_stats_enabled) of many single runs (BPF_PROG_TEST_RUN). A run changes its frame, so each run has a new one.
 */
import { AccessList } from '../src/core/access-list.ts';
import { AddressPolicy } from '../src/core/address-policy.ts';
import { ServerMachine } from '../src/core/server/index.ts';
import { SERVER_ADDRESS } from '../src/lab/index.ts';
import { check, libbpf } from '../src/linux/bpf/libbpf.ts';
import { DRIVER_VERDICT, VERDICT } from '../src/linux/bpf/test-run.ts';
import type * as ServerPrograms from '../src/linux/bpf/server-program.ts';
import { readSysctl, writeSysctl } from '../src/linux/proc.ts';
import { SeededEntropy } from '../src/sim/seeded-entropy.ts';
import { ICMPV6_CHECKSUM, parseIpv4 } from '../src/wire/index.ts';
import { ProgramBench } from '../test/support/program-bench.ts';
import { programRunTime } from './bpf-stats.ts';
import { BpfObject } from './bpf-object.ts';
import { product } from './product.ts';
import { SERVER_DRIVER_PROGRAM, SERVER_PROGRAM } from './result/names.ts';
import { alternate } from './row.ts';
import type { Row } from './row.ts';
import { solicitationFrame } from './solicitation.ts';

const [RUNS, QUICK_RUNS] = [200_000, 20_000];
/** The interface of a test run, and the addresses in the frame. */
const LO = 1;
const NO_ADDRESS = new Uint8Array(6);
const STATS = 'kernel/bpf_stats_enabled';
const PRIMARY = parseIpv4(SERVER_ADDRESS)!;
/** Each program's place: the figure, the null program there, and the verdict of both. */
const PLACES = [
  { figure: SERVER_PROGRAM, nothing: 'null', verdict: VERDICT.carried },
  { figure: SERVER_DRIVER_PROGRAM, nothing: 'null_in_driver', verdict: DRIVER_VERDICT.carried },
] as const;

export const serverProgram: Row = async (order) => {
  const { ServerProgram } = await product<typeof ServerPrograms>('linux/bpf/server-program.js');
  using object = new BpfObject('null');
  const ours = new ServerProgram();
  setUp(ours);
  const programs = [ours.fd, ours.driverFd].map((kernel, i) => ({
    null: loadNull(object.path, PLACES[i]!.nothing),
    kernel,
  }));
  const frame = solicitationFrame(PRIMARY);
  const bench = new ProgramBench(frame.length);
  const runs = order.quick ? QUICK_RUNS : RUNS;
  const before = readSysctl(STATS)!;
  if (!writeSysctl(STATS, '1')) throw new Error(`${STATS} cannot be set`);
  try {
    await alternate(order, ['null', 'kernel'] as const, async (seat) => {
      for (const [i, { figure, verdict }] of PLACES.entries()) {
        const measure = (): number => nanoseconds(bench, programs[i]![seat], frame, runs, verdict);
        const { value } = await order.watch.during(() => Promise.resolve(measure()));
        order.results.add(figure, seat, value);
      }
    });
  } finally {
    writeSysctl(STATS, before);
    ours.close();
  }
};

/** Of a run. */
function nanoseconds(
  bench: ProgramBench,
  program: number,
  frame: Uint8Array,
  runs: number,
  answered: number,
): number {
  const before = programRunTime(program);
  for (let i = 0; i < runs; i++) {
    bench.frame.set(frame);
    const verdict = bench.run(program, frame.length);
    if (verdict !== answered) throw new Error(`the program did not answer: ${verdict}`);
  }
  const after = programRunTime(program);
  return (after.nanoseconds - before.nanoseconds) / (after.runs - before.runs);
}

function loadNull(path: string, name: string): number {
  const lib = libbpf();
  const loaded = lib.openFile(path, 0);
  if (loaded === 0) throw new Error(`${path} cannot be opened`);
  check('bpf_object__load', lib.load(loaded));
  return check(name, lib.programFd(lib.findProgram(loaded, name)));
}

/** A server at the address that the solicitations are sent to, with limits that they do not reach. */
function setUp(program: ServerPrograms.ServerProgram): void {
  const policy = new AddressPolicy({ subnets: [], allowPrivate: false });
  const { advertisement } = new ServerMachine({ primary: PRIMARY, mtu: true, policy }, new SeededEntropy(1));
  program.configure({
    primary: PRIMARY,
    secondary: 0,
    announced: PRIMARY,
    key: new Uint8Array(8),
    uplink: 1,
    sampleMs: 0,
    ranges: [],
    advertisement,
    checksumAt: ICMPV6_CHECKSUM,
    answers: true,
    allowPrivate: false,
    ttl: 64,
    mode: 'work',
    anySource: true,
    access: new AccessList({ allow: [], deny: [] }),
    driver: { links: [{ ifindex: LO, address: NO_ADDRESS, gateway: NO_ADDRESS }], near: [] },
  });
  const plenty = { perSecond: 1e7, burst: 1e7 };
  program.setBudgets({
    answersShared: plenty,
    answersMember: plenty,
    answersReserve: plenty,
    forwardedShared: plenty,
    forwardedMember: plenty,
    forwardedReserve: plenty,
    forwardedByPairShared: plenty,
    forwardedByPairMember: plenty,
    forwardedByPairReserve: plenty,
  });
  program.liveUntil(1n << 62n);
  program.allowInDriver(undefined);
}
