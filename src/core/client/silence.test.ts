import { expect, test } from 'vitest';
import { Silence } from './silence.ts';

const NONE = { since: Infinity, testingSince: Infinity, lastTraffic: -Infinity };

/** The fields that other classes read. */
const read = ({ since, testingSince, lastTraffic }: Silence) => ({ since, testingSince, lastTraffic });

/** A silence to which this has happened. */
function after(...verbs: ((silence: Silence) => void)[]): Silence {
  const silence = new Silence();
  for (const verb of verbs) verb(silence);
  return silence;
}

test('there is none at first', () => {
  expect(read(after())).toEqual(NONE);
});

test('the silence begins with the first packet that is sent, and again when a peer is heard; a bubble is no traffic', () => {
  const silence = after(
    (it) => it.sent(10),
    (it) => it.sent(20),
  );
  expect(read(silence)).toEqual({ ...NONE, since: 10, lastTraffic: 20 });
  silence.heard(30);
  expect(read(silence)).toEqual({ ...NONE, since: 30, lastTraffic: 20 });
});

test('there is none for a client that only hears peers', () => {
  const silence = after(
    (it) => it.heard(10),
    (it) => it.received(10),
  );
  expect(read(silence)).toEqual({ ...NONE, lastTraffic: 10 });
});

test('the last traffic was received or sent; an older one changes nothing', () => {
  const silence = after((it) => it.sent(10));
  expect(silence.isLastReceived).toBe(false);
  silence.received(20);
  expect(silence.isLastReceived).toBe(true);
  silence.sentLate(15, 0);
  expect([silence.isLastReceived, silence.lastTraffic]).toEqual([true, 20]);
  silence.sentLate(30, 0);
  expect([silence.isLastReceived, silence.lastTraffic]).toEqual([false, 30]);
  silence.received(25);
  expect([silence.isLastReceived, silence.lastTraffic]).toEqual([false, 30]);
});

test('the first test that is not answered counts, until a peer is heard', () => {
  const silence = after(
    (it) => it.tested(20),
    (it) => it.tested(10),
    (it) => it.tested(30),
  );
  expect(silence.testingSince).toBe(10);
  silence.heard(40);
  expect(silence.testingSince).toBe(Infinity);
});

test('a reset ends the silence and the tests; the last traffic remains known', () => {
  const silence = after(
    (it) => it.sent(10),
    (it) => it.tested(20),
    (it) => it.reset(),
  );
  expect(read(silence)).toEqual({ ...NONE, lastTraffic: 10 });
});

test.each([
  ['before the last contact with the server: as before', 10, 20, 10],
  ['before the last contact with the server, without a silence: none', Infinity, 20, Infinity],
  ['after it: since then', 10, 5, 15],
  ['after it, in a silence that began later: not longer', 17, 5, 17],
  ['after it, without a silence: none', Infinity, 5, Infinity],
])('a report that a peer was heard at 15, %s', (_what, before, lastServerContact, since) => {
  const silence = after(
    (it) => before !== Infinity && it.sent(before),
    (it) => it.heard(15),
  );
  silence.heardLate(15, before, lastServerContact);
  expect(silence.since).toBe(since);
});

test.each([
  ['after the last contact with the server: the silence begins', Infinity, 5, 15],
  ['before it: no silence', Infinity, 20, Infinity],
  ['in a silence: as before', 10, 5, 10],
])('a report that a packet was sent at 15, %s', (_what, sentAt, lastServerContact, since) => {
  const silence = after((it) => sentAt !== Infinity && it.sent(sentAt));
  silence.sentLate(15, lastServerContact);
  expect(read(silence)).toEqual({ ...NONE, since, lastTraffic: 15 });
});

test('a late report of an older packet does not make the last traffic older', () => {
  const silence = after(
    (it) => it.sent(20),
    (it) => it.sentLate(15, 0),
    (it) => it.heard(12),
  );
  expect(silence.lastTraffic).toBe(20);
});
