import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseIpv6 } from './ipv6-text.ts';
import { LONGEST_HEAD, basicCredentialsIn, placeInUrl, readHttpRequest } from './http-proxy-request.ts';

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (...lines: string[]): ReturnType<typeof readHttpRequest> =>
  readHttpRequest(octets([...lines, '', ''].join('\r\n')));

test.for<[string, object]>([
  ['www.example.net:443', { host: { kind: 'name', name: 'www.example.net' }, port: 443 }],
  ['[2001:db8::1]:22', { host: { kind: 'ipv6', address: parseIpv6('2001:db8::1')! }, port: 22 }],
  ['203.0.113.120:80', { host: { kind: 'ipv4', address: 0xcb007178 }, port: 80 }],
])('CONNECT %s', ([place, target]) => {
  const request = octets(`CONNECT ${place} HTTP/1.1\r\nProxy-Authorization: Basic abc=\r\n\r\n`);
  const value = { target, authorization: 'Basic abc=', isConnect: true };
  expect(readHttpRequest(request)).toEqual({ kind: 'whole', value, length: request.length });
  for (let end = 0; end < request.length; end++)
    expect(readHttpRequest(request.subarray(0, end)), `${end} octets`).toEqual({ kind: 'more' });
});

test('a request with a URL', () => {
  const request = read('GET http://www.example.net/a?b=c HTTP/1.1', 'Proxy-Authorization: Basic abc=');
  const target = { host: { kind: 'name', name: 'www.example.net' }, port: 80 };
  expect(request).toMatchObject({ value: { target, authorization: 'Basic abc=', isConnect: false } });
  expect(placeInUrl('http://www.example.net/a?b=c')).toEqual({
    target,
    authority: 'www.example.net',
    path: '/a?b=c',
  });
  expect(placeInUrl('HTTP://[2001:db8::1]:8080')).toMatchObject({ target: { port: 8080 }, path: '/' });
  expect(placeInUrl('http://www.example.net?b')).toMatchObject({ path: '/?b' });
});

test.for([
  ['GET / HTTP/1.1', 'not-a-proxy-request'],
  ['GET https://www.example.net/ HTTP/1.1', 'not-a-proxy-request'],
  ['GET http://user@www.example.net/ HTTP/1.1', 'not-a-proxy-request'],
  ['GET ftp://www.example.net/ HTTP/1.1', 'not-a-proxy-request'],
  ['CONNECT www.example.net HTTP/1.1', 'port'],
  ['CONNECT www.example.net:0 HTTP/1.1', 'port'],
  ['CONNECT www.example.net:65536 HTTP/1.1', 'port'],
  ['CONNECT http://www.example.net:80/ HTTP/1.1', 'port'],
  ['CONNECT :443 HTTP/1.1', 'port'],
  ['GET http://a:b/ HTTP/1.1', 'port'],
  ['CONNECT www.example.net:443 HTTP/2', 'line'],
  ['CONNECT  www.example.net:443 HTTP/1.1', 'line'],
])('refused: %s', ([line, reason]) => {
  expect(read(line!)).toEqual({ kind: 'refused', reason });
});

test.for(['no colon', ' folded: line', 'a b: c', 'a: b\nc: d', 'a: b\rc', 'a: \0'])(
  'a header that is none: %j',
  (header) => {
    expect(read('GET http://a/ HTTP/1.1', header)).toEqual({ kind: 'refused', reason: 'line' });
  },
);

test('a head of more than 8 KiB is refused, whether it ends or not', () => {
  const head = (length: number): Uint8Array => {
    const line = 'CONNECT a:1 HTTP/1.1\r\na: ';
    return octets(`${line}${'b'.repeat(length - line.length - 4)}\r\n\r\n`);
  };
  expect(readHttpRequest(head(LONGEST_HEAD)).kind).toBe('whole');
  expect(readHttpRequest(head(LONGEST_HEAD + 1))).toEqual({ kind: 'refused', reason: 'too-long' });
  expect(readHttpRequest(octets('a'.repeat(LONGEST_HEAD - 1))).kind).toBe('more');
  expect(readHttpRequest(octets('a'.repeat(LONGEST_HEAD)))).toEqual({ kind: 'refused', reason: 'too-long' });
});

test('whatever the octets: a value or a reason', () => {
  const parts = fc.constantFrom(
    'CONNECT ',
    'GET ',
    'http://',
    'a',
    ':',
    '[::1]',
    '1',
    ' HTTP/1.1',
    '\r\n',
    '\r\n\r\n',
    '\0',
    '@',
    '/',
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), (texts) => {
      const b = octets(texts.join(''));
      const piece = readHttpRequest(b);
      if (piece.kind === 'whole') expect(piece.length).toBeLessThanOrEqual(b.length);
    }),
  );
});

test('only the scheme Basic has credentials', () => {
  expect(basicCredentialsIn('basic  dTpw')).toBe('dTpw');
  expect(basicCredentialsIn('Bearer dTpw')).toBeUndefined();
  expect(basicCredentialsIn('Basic d Tpw')).toBeUndefined();
});
