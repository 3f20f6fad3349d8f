import { expect, test } from 'vitest';
import { v4 } from '../../test/support/client-rig.ts';
import { inTurn, resolveServers } from './resolve.ts';

test('the first address of each name comes first: none with many keeps the next from being asked', () => {
  const many = Array.from({ length: 8 }, (_, i) => `a${i}`);
  expect(inTurn([many, ['b'], [], ['c0', 'c1']]).slice(0, 5)).toEqual(['a0', 'b', 'c0', 'a1', 'c1']);
  expect(inTurn([many, ['b']]).length).toBe(9);
  expect(inTurn([])).toEqual([]);
});

test('addresses are servers too; the second address is the next one, the one given, or none', async () => {
  const resolve = (secondary: number | 'none' | undefined) =>
    resolveServers(['192.0.2.1', '192.0.2.9'], secondary, () => {});
  const [primary, other] = [v4('192.0.2.1'), v4('192.0.2.9')];
  expect(await resolve(undefined)).toEqual([
    { primary, secondary: v4('192.0.2.2'), name: '192.0.2.1' },
    { primary: other, secondary: v4('192.0.2.10'), name: '192.0.2.9' },
  ]);
  expect((await resolve('none')).map(({ secondary }) => secondary)).toEqual([undefined, undefined]);
  await expect(resolve(other)).rejects.toThrow(
    /--secondary: 192\.0\.2\.9 is the server's first address already/,
  );
});
