import { expect, onTestFinished, test } from 'vitest';
import { Memory } from '../../src/linux/libc.ts';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import { LimitMap } from '../../src/linux/bpf/limit-map.ts';
import { possibleProcessors } from '../../src/linux/bpf/processors.ts';
import { Program } from '../../src/linux/bpf/program.ts';
import { LIMITS, LIMIT_HIT, LIMIT_SLOTS } from '../../src/linux/bpf/server-layout.ts';
import { v4 } from '../support/client-rig.ts';

const [A, B] = [v4('192.0.2.1'), v4('192.0.2.2')];

interface Hits {
  readonly times: number;
  readonly address: number;
  readonly timesOfAddress: number;
}

/** The map of the server's program, written as the program writes it: one record for each processor. */
class Rig {
  private readonly program = new Program('server', {});
  private readonly map = this.program.map('limit_hits');
  readonly limits = new LimitMap(this.map);

  constructor() {
    onTestFinished(() => this.program.close());
  }

  write(slot: number, ...records: readonly Hits[]): void {
    const key = new Memory(4);
    key.view.setUint32(0, LIMITS.forwarded * LIMIT_SLOTS + slot, true);
    const values = new Memory(LIMIT_HIT.SIZE * possibleProcessors());
    for (const [processor, { times, address, timesOfAddress }] of records.entries()) {
      const at = LIMIT_HIT.SIZE * processor;
      values.view.setBigUint64(at + LIMIT_HIT.times, BigInt(times), true);
      values.view.setUint32(at + LIMIT_HIT.address, address);
      values.view.setBigUint64(at + LIMIT_HIT.timesOfAddress, BigInt(timesOfAddress), true);
    }
    check('bpf_map_update_elem', libbpf().update(this.map, key.address, values.address, 0));
  }
}

test.skipIf(possibleProcessors() < 2)(
  'hits of one address on two processors are one number, and only new hits are taken',
  () => {
    const rig = new Rig();
    rig.write(0, { times: 20, address: A, timesOfAddress: 20 }, { times: 5, address: A, timesOfAddress: 5 });
    expect(rig.limits.take()).toEqual([
      { limit: 'forwarded', times: 25, addresses: [{ address: A, times: 25 }] },
    ]);
    expect(rig.limits.take()).toEqual([]);
    rig.write(0, { times: 20, address: A, timesOfAddress: 20 }, { times: 7, address: A, timesOfAddress: 7 });
    expect(rig.limits.take()).toEqual([
      { limit: 'forwarded', times: 2, addresses: [{ address: A, times: 2 }] },
    ]);
  },
);

test('a hit that the program counted between the two reads is taken once', () => {
  const rig = new Rig();
  rig.write(0, { times: 20, address: A, timesOfAddress: 21 });
  expect(rig.limits.take()).toEqual([
    { limit: 'forwarded', times: 21, addresses: [{ address: A, times: 21 }] },
  ]);
  rig.write(0, { times: 22, address: A, timesOfAddress: 22 });
  expect(rig.limits.take()).toEqual([
    { limit: 'forwarded', times: 1, addresses: [{ address: A, times: 1 }] },
  ]);
});

test('a new address of a slot has its own hits; those of the former address since the last call are of others', () => {
  const rig = new Rig();
  rig.write(0, { times: 20, address: A, timesOfAddress: 20 });
  rig.limits.take();
  rig.write(0, { times: 150, address: B, timesOfAddress: 30 });
  expect(rig.limits.take()).toEqual([
    { limit: 'forwarded', times: 130, addresses: [{ address: B, times: 30 }] },
  ]);
  // The slot was lost and won again: a smaller count.
  rig.write(0, { times: 300, address: B, timesOfAddress: 4 });
  expect(rig.limits.take()).toEqual([
    { limit: 'forwarded', times: 150, addresses: [{ address: B, times: 4 }] },
  ]);
});
