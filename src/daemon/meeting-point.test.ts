import { expect, test } from 'vitest';
import { v4 } from '../../test/support/client-rig.ts';
import { meetingPointAmong, resolveMeetingPoint } from './meeting-point.ts';
import { relayOf } from '../runtime/settings/parse.ts';

test('a meeting point is an address or a name, with a port or without', async () => {
  const resolve = (text: string) => resolveMeetingPoint(relayOf(text));
  expect(await resolve('192.0.2.7')).toEqual({ address: v4('192.0.2.7'), port: 3545 });
  expect(await resolve('192.0.2.7:4000')).toEqual({ address: v4('192.0.2.7'), port: 4000 });
  expect(await resolve('localhost:4000')).toEqual({ address: v4('127.0.0.1'), port: 4000 });
  await expect(resolve('no-such-host.invalid')).rejects.toMatchObject({
    exitCode: 1,
    message: expect.stringMatching(
      /^the relay "no-such-host.invalid" \(--meet\) does not resolve to a usable IPv4/,
    ),
  });
});

test('of several addresses behind its name all clients take the same, in whatever order they come', () => {
  const addresses = [v4('198.51.100.9'), v4('192.0.2.7')];
  expect(meetingPointAmong(addresses)).toBe(v4('192.0.2.7'));
  expect(meetingPointAmong(addresses.toReversed())).toBe(v4('192.0.2.7'));
});

test.each([
  ['2001:db8::1', /is an IPv6 address/],
  ['[2001:db8::1]:3545', /is an IPv6 address/],
  ['192.0.2.7:0', /not a UDP port/],
  ['192.0.2.7:', /not a UDP port/],
  ['192.0.2.300', /not an IPv4 address/],
  ['0.0.0.0', /stands for any address/],
  [':3545', /has no name or address/],
])('a meeting point that is none: %s', (text, why) => {
  expect(() => relayOf(text)).toThrow(why);
});
