import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WAY } from '../../linux/bpf/layout.ts';
import { formatIpv6 } from '../../wire/index.ts';
import { readWays, writeWays } from './left-ways.ts';
import type { ProvenWay } from './left-ways.ts';

function wayTo(last: number, way: ProvenWay['way']): ProvenWay {
  const peer = Uint8Array.of(0x20, 1, 0, 0, 198, 51, 100, 1, 0, 0, 1, 2, 3, 4, 5, last);
  return { peer, place: { address: 0xc000_0201, port: 40_000 + last }, way };
}

test('proven ways are read as they were written; others are left out', () => {
  const [bare, checked] = [wayTo(1, WAY.bare), wayTo(2, WAY.checked)];
  const state = writeWays([bare, wayTo(3, WAY.inward), checked, wayTo(4, WAY.tried)]);
  expect([...readWays(state)]).toEqual([
    [formatIpv6(bare.peer), bare],
    [formatIpv6(checked.peer), checked],
  ]);
});

test('another layout and any other octets are no error', () => {
  const state = writeWays([wayTo(1, WAY.bare)]);
  state[3]! ^= 1;
  expect(readWays(state).size).toBe(0);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => {
      for (const { way } of readWays(Uint8Array.of(0, 0, 0, 1, ...rest)).values())
        expect([WAY.checked, WAY.bare]).toContain(way);
      readWays(rest);
    }),
  );
});
