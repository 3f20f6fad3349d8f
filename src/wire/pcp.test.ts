import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  buildPcpAnnounce,
  buildPcpMapRequest,
  fromHex,
  parseIpv4,
  parsePcpAnnounceAnswer,
  parsePcpMapAnswer,
  toHex,
} from './index.ts';
import type { PcpMapRequest } from './index.ts';

const CLIENT = parseIpv4('192.168.1.2')!;
const NONCE = '0102030405060708090a0b0c';
const REQUEST: PcpMapRequest = {
  nonce: fromHex(NONCE)!,
  client: CLIENT,
  internalPort: 40_000,
  external: { address: 0, port: 40_000 },
  lifetimeSeconds: 7_200,
};
/** RFC 6887 sections 7.2 and 11.1: version, opcode, reserved, result, lifetime, epoch, reserved; then the MAP data. */
const HEADER = '02 81 00 00 00001c20 00000010 000000000000000000000000';
const MAPPING = `${NONCE} 11 000000 9c40 9c41 00000000000000000000ffffc0000201`;

const bytesOf = (hex: string) => fromHex(hex.replaceAll(' ', ''))!;
const read = (hex: string) => parsePcpMapAnswer(bytesOf(hex), REQUEST);

test('requests as in RFC 6887 sections 7.1 and 11.1', () => {
  const client = '00000000000000000000ffffc0a80102';
  expect(toHex(buildPcpAnnounce(CLIENT))).toBe(`0200000000000000${client}`);
  expect(toHex(buildPcpMapRequest(REQUEST))).toBe(
    `0201000000001c20${client}${NONCE}110000009c409c4000000000000000000000ffff00000000`,
  );
});

test('a mapping', () => {
  expect(read(`${HEADER} ${MAPPING}`)).toEqual({
    kind: 'mapping',
    external: { address: parseIpv4('192.0.2.1'), port: 40_001 },
    lifetimeSeconds: 7_200,
    epochSeconds: 16,
  });
  expect(read(`${HEADER} ${MAPPING} 01000000`), 'with an option behind it').toMatchObject({
    kind: 'mapping',
  });
});

test('each octet of the nonce and of the internal port counts', () => {
  const right = bytesOf(`${HEADER} ${MAPPING}`);
  expect(parsePcpMapAnswer(right, REQUEST)).toMatchObject({ kind: 'mapping' });
  for (const octet of [...Array.from({ length: 12 }, (_, i) => 24 + i), 40, 41]) {
    const other = right.slice();
    other[octet]! ^= 1;
    expect([octet, parsePcpMapAnswer(other, REQUEST)]).toEqual([octet, undefined]);
  }
});

test('a refusal (NO_RESOURCES) has to match the request, too', () => {
  const refused = HEADER.replace('02 81 00 00', '02 81 00 08');
  expect(read(`${refused} ${MAPPING}`)).toEqual({ kind: 'refused', resultCode: 8 });
  expect(read(`${refused} ${MAPPING.replace('0102', 'ffff')}`)).toBeUndefined();
});

test.for([
  ['another nonce', `${HEADER} ${MAPPING.replace('0102', 'ffff')}`],
  ['another port', `${HEADER} ${MAPPING.replace('9c40 ', '9c42 ')}`],
  ['TCP', `${HEADER} ${MAPPING.replace(' 11 ', ' 06 ')}`],
  ['an IPv6 address', `${HEADER} ${MAPPING.replace('00000000000000000000ffff', '20010db80000000000000000')}`],
  ['a request', `${HEADER} ${MAPPING}`.replace('02 81', '02 01')],
  ['another operation', `${HEADER} ${MAPPING}`.replace('02 81', '02 82')],
  ['another version', `${HEADER} ${MAPPING}`.replace('02 81', '01 81')],
  ['one cut short', `${HEADER} ${MAPPING}`.slice(0, -2)],
  ['a header alone', HEADER],
] as const)('%s is no answer', ([, hex]) => {
  expect(read(hex)).toBeUndefined();
});

test('the answer to an ANNOUNCE request is a header', () => {
  const answer = HEADER.replace('02 81', '02 80');
  expect(parsePcpAnnounceAnswer(bytesOf(answer))).toEqual({ kind: 'announce', epochSeconds: 16 });
  expect(parsePcpAnnounceAnswer(bytesOf(answer.replace('02 80 00 00', '02 80 00 01')))).toEqual({
    kind: 'refused',
    resultCode: 1,
  });
  // RFC 6886 section 3.5, RFC 6887 section 9: NAT-PMP alone
  expect(parsePcpAnnounceAnswer(bytesOf('00 80 0001 00000010 00000000'))).toBeUndefined();
});

test('any bytes are parsed without an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      parsePcpAnnounceAnswer(bytes);
      parsePcpMapAnswer(bytes, REQUEST);
    }),
  );
});
