import fc from 'fast-check';
import { expect, test } from 'vitest';
import { data, v6 } from '../../test/support/client-rig.ts';
import { NOT_SOURCE_ROUTED, SOURCE_ROUTED, extended } from '../../test/support/source-routes.ts';
import { isSourceRouted, upperLayer } from './extension-headers.ts';

const PACKET = data(v6('2001:db8::1'), v6('2001:db8::2'), 60);

test.each(SOURCE_ROUTED)('%s is found (C-31)', (_name, chain) => {
  expect(isSourceRouted(extended(PACKET, chain), 0)).toBe(true);
});

test.each(NOT_SOURCE_ROUTED)('%s is not a source route (C-31)', (_name, chain) => {
  expect(isSourceRouted(extended(PACKET, chain), 0)).toBe(false);
});

test('a plain packet has none', () => {
  for (const next of [6, 17, 58, 59, 41]) {
    const packet = PACKET.slice();
    packet[6] = next;
    expect(isSourceRouted(packet, 0)).toBe(false);
  }
});

test('octets after the packet are not read, whatever its headers say', () => {
  const extension = fc.constantFrom(0, 43, 44, 51, 60, 135, 139, 140);
  fc.assert(
    fc.property(extension, fc.uint8Array({ maxLength: 48 }), (next, payload) => {
      const packet = new Uint8Array(40 + payload.length);
      packet[0] = 0x60;
      packet[5] = payload.length;
      packet[6] = next;
      packet.set(payload, 40);
      const within = (surrounding: number): boolean => {
        const buffer = new Uint8Array(packet.length + 64).fill(surrounding);
        buffer.set(packet, 8);
        return isSourceRouted(buffer, 8);
      };
      expect([within(0xff), within(43)]).toEqual([within(0), within(0)]);
    }),
  );
});

test('the upper layer is found behind all extension headers, and of the first fragment only', () => {
  const found = (next: number, octets: readonly number[]): unknown => {
    const packet = Uint8Array.from([...PACKET.slice(0, 40), ...octets]);
    packet[6] = next;
    return upperLayer(packet, 0, packet.length);
  };
  const options = (next: number): number[] => [next, 0, 1, 4, 0, 0, 0, 0];
  expect(found(17, [])).toEqual({ protocol: 17, at: 40 });
  expect(found(0, [...options(60), ...options(6), 1, 2])).toEqual({ protocol: 6, at: 56 });
  expect(found(44, [58, 0, 0, 1, 0, 0, 0, 7, 128])).toEqual({ protocol: 58, at: 48 });
  expect(found(44, [58, 0, 0, 9, 0, 0, 0, 7, 128])).toBeUndefined();
  expect(found(51, [17, 4, 0, 0])).toEqual({ protocol: 51, at: 40 });
  expect(found(60, [17, 0, 1, 4])).toBeUndefined();
  expect(found(60, [17, 9, 1, 4, 0, 0, 0, 0])).toBeUndefined();
});
