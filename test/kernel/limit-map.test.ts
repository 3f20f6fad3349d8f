import { expect, onTestFinished, test } from 'vitest';
import { LimitMap } from '../../src/linux/bpf/limit-map.ts';
import { Program } from '../../src/linux/bpf/program.ts';
import { writeRecord } from '../../src/linux/bpf/records.ts';
import { LIMITS, LIMIT_HIT, LIMIT_SLOTS } from '../../src/linux/bpf/server-layout.ts';
import { v4 } from '../support/client-rig.ts';

test('a count that a processor has written back while its slot was emptied is of no address, and the slot is empty afterwards', () => {
  const program = new Program('server', {});
  onTestFinished(() => program.close());
  const map = program.map('limit_hits');
  const limits = new LimitMap(map);
  const first = LIMITS.forwarded * (LIMIT_SLOTS + 1);
  const write = (slot: number, address: number, times: bigint): void =>
    writeRecord(map, first + slot, LIMIT_HIT.SIZE, (view) => {
      view.setBigUint64(LIMIT_HIT.times, times, true);
      view.setUint32(LIMIT_HIT.address, address);
    });
  write(LIMIT_SLOTS, 0, 20n);
  write(0, v4('192.0.2.1'), 5n);
  write(1, 0, 7n);
  // One less than none.
  write(2, 0, 2n ** 64n - 1n);
  const hit = { address: v4('192.0.2.1'), times: 5 };
  expect(limits.take()).toEqual([{ limit: 'forwarded', times: 20, addresses: [hit] }]);
  write(LIMIT_SLOTS, 0, 21n);
  expect(limits.take()).toEqual([{ limit: 'forwarded', times: 1, addresses: [] }]);
  write(LIMIT_SLOTS, 0, 22n);
  write(2, v4('192.0.2.1'), 5n);
  expect(limits.take()).toEqual([{ limit: 'forwarded', times: 1, addresses: [hit] }]);
});
