import { beforeEach, expect, test, vi } from 'vitest';
import { seededEntropy, v6 } from '../../../test/support/client-rig.ts';
import { CONFIG, ROLE, UNIT_SHIFT } from '../../linux/bpf/layout.ts';
import type { Program } from '../../linux/bpf/program.ts';
import { SystemCallError } from '../../linux/errors.ts';
import { E } from '../../linux/libc.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { ProgramConfig } from './program-config.ts';

const written: DataView[] = [];
let refusal: Error | undefined;
vi.mock('../../linux/bpf/records.ts', () => ({
  writeRecord: (
    _fd: number,
    _at: number,
    size: number,
    write: (view: DataView, bytes: Uint8Array) => void,
  ) => {
    if (refusal !== undefined) throw refusal;
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    write(view, bytes);
    written.push(view);
  },
}));
let ttl: string | Error = '64';
vi.mock('../../linux/proc.ts', () => ({
  readSysctl: () => {
    if (ttl instanceof Error) throw ttl;
    return ttl;
  },
}));

const OWN = v6('2001:0:cb00:7178::1');
let config: ProgramConfig;
beforeEach(() => {
  written.length = 0;
  refusal = undefined;
  ttl = '64';
  const program = { map: () => 0 } as unknown as Program;
  config = new ProgramConfig(program, { role: 'client' }, 7, seededEntropy());
});

const write = (own: Ipv6 | undefined): void => {
  config.setOwn(own);
  config.write();
};
const ttls = (): number[] => written.map((view) => view.getUint8(CONFIG.ttl));
const roles = (): number[] => written.map((view) => view.getUint8(CONFIG.role));

test('a TTL that cannot be read now is as it was, and is followed later', () => {
  ttl = '33';
  write(OWN);
  ttl = new SystemCallError('open', E.EMFILE);
  write(OWN);
  config.followTtl();
  expect(ttls()).toEqual([33, 33]);
  ttl = '44';
  config.followTtl();
  config.followTtl();
  expect(ttls()).toEqual([33, 33, 44]);
});

test('the programs have an own address once it is written, octet by octet', () => {
  expect(config.hasOwn(undefined)).toBe(false);
  write(OWN);
  expect([config.hasOwn(OWN.slice()), config.hasOwn(undefined)]).toEqual([true, false]);
  for (let i = 0; i < 16; i++) {
    const other = OWN.slice();
    other[i]! ^= 1;
    expect(config.hasOwn(other)).toBe(false);
  }
  refusal = new SystemCallError('bpf_map_update_elem', E.ENOMEM);
  expect(() => write(undefined)).toThrow(refusal);
  expect([config.hasOwn(OWN), config.hasOwn(undefined)]).toEqual([false, false]);
});

test('a client without an address, and programs that are switched off, carry nothing', () => {
  write(undefined);
  write(OWN);
  config.switchOff();
  expect(roles()).toEqual([ROLE.none, ROLE.client, ROLE.none]);
  expect(config.hasOwn(OWN)).toBe(false);
  // A TTL that changes meanwhile switches nothing on.
  ttl = '44';
  config.followTtl();
  expect(written).toHaveLength(3);
});

test('reports of a million peers are at most 10 s old, and no more than 125,000 in a second', () => {
  const spacingFor = (peers: number): number => {
    config.stretchFor(peers);
    config.write();
    return (written.at(-1)!.getUint32(CONFIG.reporting, true) * 2 ** UNIT_SHIFT) / 1e9;
  };
  expect(spacingFor(0)).toBeCloseTo(1, 2);
  expect(spacingFor(125_000)).toBeCloseTo(1, 2);
  for (const peers of [125_001, 200_000, 500_000, 1_000_000]) {
    expect(peers / spacingFor(peers)).toBeLessThanOrEqual(125_100);
    expect(spacingFor(peers)).toBeLessThan(10);
  }
  expect(spacingFor(100_000_000)).toBeLessThan(10);
});
