import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHex, toHex } from './bytes.ts';
import { parseIpv6 } from './ipv6-text.ts';
import {
  readCredentials,
  readDatagram,
  readMethods,
  readRequest,
  writeDatagram,
  writeReply,
} from './socks5.ts';
import type { Target, TargetHost } from './proxy-target.ts';

const octets = (hex: string): Uint8Array => fromHex(hex.replaceAll(' ', ''))!;
const name = (text: string): string => toHex(Uint8Array.of(text.length, ...new TextEncoder().encode(text)));
const ipv4 = (address: number): TargetHost => ({ kind: 'ipv4', address });
const ipv6 = (text: string): TargetHost => ({ kind: 'ipv6', address: parseIpv6(text)! });

test.for<[string, TargetHost]>([
  ['01 cb007178', ipv4(0xcb007178)],
  ['04 20010db8 00000000 00000000 00000001', ipv6('2001:db8::1')],
  ['04 00000000 00000000 0000ffff 7f000001', ipv4(0x7f000001)],
  [`03 ${name('www.example.net')}`, { kind: 'name', name: 'www.example.net' }],
  [`03 ${name('www.example.net.')}`, { kind: 'name', name: 'www.example.net' }],
  [`03 ${name('2001:db8::1')}`, ipv6('2001:db8::1')],
  [`03 ${name('[2001:db8::1]')}`, ipv6('2001:db8::1')],
  [`03 ${name('203.0.113.120')}`, ipv4(0xcb007178)],
])('the target of a request: %s', ([address, host]) => {
  const request = octets(`05 01 00 ${address} 1f90`);
  const value = { command: 1, target: { host, port: 8080 } };
  expect(readRequest(request)).toEqual({ kind: 'whole', value, length: request.length });
  for (let end = 0; end < request.length; end++)
    expect(readRequest(request.subarray(0, end)), `${end} octets`).toEqual({ kind: 'more' });
});

test.for([
  ['04', 'version'],
  ['05 01 00 02', 'address-type'],
  ['05 01 00 03 00 0050', 'name'],
  [`05 01 00 03 ${name('a b')} 0050`, 'name'],
  [`05 01 00 03 ${name('a\0b')} 0050`, 'name'],
  [`05 01 00 03 ${name('a'.repeat(64))} 0050`, 'name'],
])('a request that is refused: %s', ([hex, reason]) => {
  expect(readRequest(octets(hex!))).toEqual({ kind: 'refused', reason });
});

test('methods: at least one; octets behind them belong to the next message', () => {
  expect(readMethods(octets('05 02 00 02 05'))).toEqual({ kind: 'whole', value: [0, 2], length: 4 });
  expect(readMethods(octets('05 02 00'))).toEqual({ kind: 'more' });
  expect(readMethods(octets('05 00'))).toEqual({ kind: 'refused', reason: 'no-methods' });
  expect(readMethods(octets('04 01'))).toEqual({ kind: 'refused', reason: 'version' });
});

test('user and password of every length', () => {
  for (const [user, password] of [
    [0, 0],
    [1, 0],
    [255, 255],
  ] as const) {
    const b = new Uint8Array([
      1,
      user,
      ...Array<number>(user).fill(97),
      password,
      ...Array<number>(password).fill(98),
    ]);
    expect(readCredentials(b)).toMatchObject({ kind: 'whole', length: b.length });
    for (let end = 0; end < b.length; end++) expect(readCredentials(b.subarray(0, end)).kind).toBe('more');
  }
  expect(readCredentials(octets('05 01'))).toEqual({ kind: 'refused', reason: 'credentials-version' });
});

test('an answer names the address of the socket', () => {
  expect(toHex(writeReply(5))).toBe('05050001000000000000');
  expect(toHex(writeReply(0, { host: ipv6('2001:db8::1'), port: 80 }))).toBe(
    '0500000420010db80000000000000000000000010050',
  );
});

test('datagrams come out as they went in', () => {
  const hosts = fc.oneof(
    fc.nat(0xffff_ffff).map(ipv4),
    fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((address): TargetHost => ({ kind: 'ipv6', address: Uint8Array.of(0x20, ...address.slice(1)) })),
  );
  fc.assert(
    fc.property(hosts, fc.nat(65_535), fc.uint8Array({ maxLength: 100 }), (host, port, payload) => {
      const from: Target = { host, port };
      const b = writeDatagram(from, payload);
      const read = readDatagram(b)!;
      expect(read.target).toEqual(from);
      expect(read.fragment).toBe(0);
      expect([...b.subarray(read.at)]).toEqual([...payload]);
    }),
  );
});

test('whatever the octets: a value or a reason', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (b) => {
      for (const start of [0, 5]) {
        const bytes = start === 0 ? b : Uint8Array.of(5, ...b);
        for (const read of [readMethods, readCredentials, readRequest]) {
          const piece = read(bytes);
          if (piece.kind === 'whole') expect(piece.length).toBeLessThanOrEqual(bytes.length);
        }
        readDatagram(bytes);
      }
    }),
  );
  expect(readDatagram(octets('0001 00 01 cb007178 0050'))).toBeUndefined();
  expect(readDatagram(octets('0000 02 01 cb007178 0050'))).toMatchObject({ fragment: 2 });
});
