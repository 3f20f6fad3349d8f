/** The counters of the kernel's programs: all at once, and one by one where the kernel gives no more. */
import { expect, test } from 'vitest';
import { KERNEL_COUNTERS } from '../../src/linux/bpf/layout.ts';
import { E, Memory } from '../../src/linux/libc.ts';
import { libbpf } from '../../src/linux/bpf/libbpf.ts';
import type { Libbpf } from '../../src/linux/bpf/libbpf.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { possibleProcessors } from '../../src/linux/bpf/processors.ts';

test('have the same values both ways, and take one call where that is possible', () => {
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const [key, values] = [new Memory(4), new Memory(8 * possibleProcessors())];
  for (const [i] of KERNEL_COUNTERS.entries()) {
    key.view.setUint32(0, i, true);
    for (let cpu = 0; cpu < possibleProcessors(); cpu++)
      values.view.setBigUint64(8 * cpu, BigInt(i + 1), true);
    expect(libbpf().update(program.map('counters'), key.address, values.address, 0)).toBe(0);
  }
  const wanted = Object.fromEntries(KERNEL_COUNTERS.map((name, i) => [name, (i + 1) * possibleProcessors()]));
  const calls = counted(program as unknown as { lib: Libbpf });
  expect(program.readCounters(KERNEL_COUNTERS)).toEqual(wanted);
  expect(calls).toEqual({ batches: 1, single: 0 });
  calls.isRefused = true;
  expect(program.readCounters(KERNEL_COUNTERS)).toEqual(wanted);
  expect(calls.single).toBe(KERNEL_COUNTERS.length);
  program.close();
});

function counted(program: { lib: Libbpf }): { batches: number; single: number; isRefused?: boolean } {
  const calls: { batches: number; single: number; isRefused?: boolean } = { batches: 0, single: 0 };
  const { lib } = program;
  program.lib = {
    ...lib,
    lookup: (...words) => (calls.single++, lib.lookup(...words)),
    lookupBatch: (...words) => (
      calls.batches++,
      calls.isRefused === true ? -E.EINVAL : lib.lookupBatch(...words)
    ),
  };
  return calls;
}
