import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseIpv4, parseIpv6 } from '../wire/index.ts';
import { ClientHandover, fitsServers } from './client-handover.ts';

const ADDRESS = parseIpv6('2001:0:cb00:7178:147f:33d6:39cc:9bfe')!;
const SERVERS = [{ primary: parseIpv4('203.0.113.120')!, secondary: undefined }];

/** The state that a client leaves which has had these addresses. */
function stateAfter(...addresses: (Uint8Array | undefined)[]): Uint8Array {
  let state = new Uint8Array(0);
  const handover = new ClientHandover({
    left: undefined,
    leave: (written) => void (state = written.slice()),
  });
  for (const address of addresses) handover.note(address);
  handover.close();
  handover.note(undefined); // at its end a client gives up its address
  return state;
}

const leftIn = (state: Uint8Array): Uint8Array | undefined =>
  new ClientHandover({ left: { state, agoMs: 10 }, leave: () => {} }).left;

test('the successor gets the latest address', () => {
  expect(leftIn(stateAfter(undefined, ADDRESS))).toEqual(ADDRESS);
  expect(leftIn(stateAfter(ADDRESS, undefined))).toBeUndefined();
  expect(new ClientHandover(undefined).left).toBeUndefined();
});

test('an interface fits if its address is of one of the servers, or if it has none', () => {
  expect(fitsServers(stateAfter(ADDRESS), SERVERS)).toBe(true);
  expect(fitsServers(stateAfter(undefined), SERVERS)).toBe(true);
  expect(fitsServers(stateAfter(ADDRESS), [{ primary: 1, secondary: undefined }])).toBe(false);
  expect(fitsServers(undefined, SERVERS)).toBe(false);
});

test('any octets can be read, and no others than those of a client fit', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (state) => {
      leftIn(state);
      if (state[0] !== 1) expect(fitsServers(state, SERVERS)).toBe(false);
    }),
  );
});
