import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../../wire/bytes.ts';
import { RequiredCredentials } from './credentials.ts';
import { Handshake } from './handshake.ts';
import type { Step } from './handshake.ts';

const REQUIRED = new RequiredCredentials('anna', 'secret:1');
const octets = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const CONNECT = '05 01 00 01 cb007178 0050';
const RIGHT = `01 04 ${Buffer.from('anna').toString('hex')} 08 ${Buffer.from('secret:1').toString('hex')}`;
const WRONG = `01 04 ${Buffer.from('anna').toString('hex')} 08 ${Buffer.from('secret:2').toString('hex')}`;
const target = { host: { kind: 'ipv4', address: 0xcb007178 }, port: 80 };

/** The last step, and all that was sent. */
function run(handshake: Handshake, pieces: Iterable<Uint8Array>): { step: Step; sent: string } {
  let sent = '';
  let step: Step = { kind: 'more', send: [] };
  for (const piece of pieces) {
    step = handshake.take(piece);
    for (const one of step.send) sent += toHex(one);
    if (step.kind === 'end') sent += toHex(step.answer);
    if (step.kind !== 'more') break;
  }
  return { step, sent };
}

const one = (hex: string, required?: RequiredCredentials): ReturnType<typeof run> =>
  run(new Handshake(required), [octets(hex)]);

test('a client that offers no authentication', () => {
  const { step, sent } = one(`05 01 00 ${CONNECT} aabb`);
  expect(step).toMatchObject({ kind: 'wish', wish: { kind: 'connect', protocol: 'socks', target } });
  expect(step.kind === 'wish' && [...step.wish.first]).toEqual([0xaa, 0xbb]);
  expect(sent).toBe('0500');
});

test('user and password', () => {
  expect(one(`05 02 00 02 ${RIGHT} ${CONNECT}`, REQUIRED)).toMatchObject({
    step: { kind: 'wish', wish: { target } },
    sent: '05020100',
  });
  expect(one(`05 02 00 02 ${WRONG} ${CONNECT}`, REQUIRED)).toMatchObject({
    step: { kind: 'end' },
    sent: '05020101',
  });
  expect(one(`05 01 00 ${CONNECT}`, REQUIRED)).toMatchObject({ step: { kind: 'end' }, sent: '05ff' });
  expect(one(`05 01 02`)).toMatchObject({ step: { kind: 'end' }, sent: '05ff' });
});

test.for([
  ['another version, as of SOCKS4', '04 01 0050 cb007178 00', ''],
  ['no methods', '05 00', '05ff'],
  ['BIND', `05 01 00 05 02 00 01 cb007178 0050`, '050005070001000000000000'],
  ['an unknown type of address', '05 01 00 05 01 00 02', '050005080001000000000000'],
  ['a name that is none', '05 01 00 05 01 00 03 01 20 0050', '050005010001000000000000'],
])('%s: an answer, and the end', ([, hex, sent]) => {
  expect(one(hex!)).toMatchObject({ step: { kind: 'end' }, sent });
});

const HTTP = (authorization: string): Uint8Array =>
  ascii(`CONNECT 203.0.113.120:80 HTTP/1.1\r\n${authorization}\r\n`);
const basic = (pair: string): string =>
  `Proxy-Authorization: Basic ${Buffer.from(pair).toString('base64')}\r\n`;

test('HTTP on the same port', () => {
  expect(run(new Handshake(undefined), [HTTP('')]).step).toMatchObject({
    kind: 'wish',
    wish: { kind: 'connect', protocol: 'http', target },
  });
  expect(run(new Handshake(REQUIRED), [HTTP(basic('anna:secret:1'))]).step.kind).toBe('wish');
  for (const wrong of ['', basic('anna:secret'), basic('anna'), 'Proxy-Authorization: Bearer abc\r\n']) {
    const { step, sent } = run(new Handshake(REQUIRED), [HTTP(wrong)]);
    expect(step.kind).toBe('end');
    expect(octets(sent).toString()).toMatch(
      /^HTTP\/1.1 407 .*\r\nProxy-Authenticate: Basic realm="teredo"\r\n/,
    );
  }
  const page = run(new Handshake(undefined), [ascii('POST / HTTP/1.1\r\n\r\n')]);
  expect(octets(page.sent).toString()).toMatch(/^HTTP\/1.1 400 /);
});

test('however the octets are cut, the result is the same', () => {
  const streams = [
    octets(`05 02 00 02 ${RIGHT} ${CONNECT} aabb`),
    octets(`05 01 02 ${WRONG}`),
    Buffer.concat([HTTP(basic('anna:secret:1')), ascii('abc')]),
  ];
  for (const stream of streams) {
    const wholly = run(new Handshake(REQUIRED), [stream]);
    const singly = run(
      new Handshake(REQUIRED),
      [...stream].map((octet) => Uint8Array.of(octet)),
    );
    expect(singly.sent).toBe(wholly.sent);
    expect(singly.step.kind).toBe(wholly.step.kind);
    for (let cut = 1; cut < stream.length; cut++) {
      const halves = run(new Handshake(REQUIRED), [stream.subarray(0, cut), stream.subarray(cut)]);
      expect(halves.sent, `cut at ${cut}`).toBe(wholly.sent);
    }
  }
});

test('hostile octets end a handshake, or wait for more, within bounds', () => {
  const first = fc.constantFrom(4, 5, 0x41, 0x43, 0x47, 0, 255);
  fc.assert(
    fc.property(first, fc.uint8Array({ maxLength: 10_000 }), (octet, rest) => {
      const { step } = run(new Handshake(REQUIRED), [Uint8Array.of(octet), rest]);
      if (step.kind === 'more') expect(rest.length).toBeLessThan(8 << 10);
    }),
  );
});
