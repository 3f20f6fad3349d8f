/** Octets of other protocols, and of requests that two readers could understand differently: at most one answer, and nothing remains of them. */
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { get, httpDaemon } from '../../../test/support/http-rig.ts';
import { until } from '../../lab/index.ts';

const SETTINGS = '\0\0\0\x04\0\0\0\0\0';
const HELLO = `\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03${'\x5a'.repeat(32)}\0\0\x04\x13\x01\x13\x02`;
const WEBSOCKET =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGVzdA==\r\n';
const CHANGE = '{"command":"stop"}\n';

function request(headers: string, behind = '', line = 'GET /livez'): string {
  return `${line} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n${behind}`;
}

const live = (text: string): string => `200 .*"live":true${text}`;

test.each<[name: string, octets: string, byTcp: string, byControl?: string]>([
  ['preface of HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SETTINGS}`, '505 '],
  [
    'upgrade to HTTP/2',
    request('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n', SETTINGS),
    live(''),
  ],
  ['websocket', request(WEBSOCKET, '\x81\x05hello'), live('')],
  ['hello of TLS', `${HELLO}\n${HELLO}`, 'nothing', '{"ok":false,"code":"bad-request"'],
  ['CONNECT', request('', CHANGE, 'CONNECT 127.0.0.1:22'), '405 '],
  ['upgrade of CONNECT', request(WEBSOCKET, CHANGE, 'CONNECT localhost:22'), '405 '],
  ['two lengths', request('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!'), '400 '],
  ['two equal lengths', request('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), '400 '],
  ['a list of lengths', request('Content-Length: 5, 5\r\n', 'hello'), '400 '],
  ['a negative length', request('Content-Length: -1\r\n', 'hello'), '400 '],
  [
    'length and encoding',
    request('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', `0\r\n\r\n${request('')}`),
    '400 ',
  ],
  [
    'two encodings',
    request('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${request('')}`),
    '400 ',
  ],
  ['a request behind a body', request('Transfer-Encoding: chunked\r\n', `0\r\n\r\n${request('')}`), live('')],
  ['a command behind a request', request('', CHANGE), live('')],
])('%s', async (_, octets, byTcp, byControl = byTcp) => {
  const said: string[] = [];
  const { path, port, control } = await httpDaemon({ log: (line) => said.push(line) });
  for (const [where, wanted] of [
    [{ port, host: '127.0.0.1' }, byTcp],
    [{ path }, byControl],
  ] as const) {
    const answer = await answerTo(where, octets);
    expect(answer, wanted).toMatch(pattern(wanted));
    expect(answer.split('HTTP/1.1 ').length, 'answers').toBeLessThanOrEqual(2);
    await until('nothing is left', () => control.connectionCount === 0 || undefined);
    expect(control.waitingCount).toBe(0);
  }
  expect((await get('/livez', { port })).status).toBe(200);
  expect((await get('/livez', { socketPath: path })).status).toBe(200);
  expect(said).toEqual([]);
});

test('a hello of TLS without a line feed holds its place no longer than its sender', async () => {
  const { path, port, control } = await httpDaemon();
  for (const where of [{ port, host: '127.0.0.1' }, { path }]) {
    const socket = connect(where, () => socket.write(Buffer.from(HELLO, 'latin1')));
    await until('it has a place', () => control.connectionCount === 1 || undefined);
    socket.destroy();
    await until('it has none', () => control.connectionCount === 0 || undefined);
  }
});

function pattern(wanted: string): RegExp {
  if (wanted === 'nothing') return /^$/;
  return new RegExp(
    `^${wanted.startsWith('{') ? wanted.replaceAll(/[{}]/g, String.raw`\$&`) : `HTTP/1\\.1 ${wanted}`}`,
    's',
  );
}

/** All that comes back until the daemon closes. */
function answerTo(where: { port: number; host: string } | { path: string }, octets: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ ...where } as { path: string }, () =>
      socket.write(Buffer.from(octets, 'latin1')),
    );
    socket.on('data', (part) => (text += part.toString('latin1'))).on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}
