import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  NATIVE,
  PRIMARY,
  RELAY,
  at,
  data,
  echoReply,
} from '../../../../test/support/client-rig.ts';
import { buildEchoReply } from '../../../wire/index.ts';

const ELSEWHERE = at('198.18.0.1:1111');

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();

describe('case 2: connectivity tests', () => {
  function asked(options = {}): ClientRig {
    const rig = qualified(options);
    return rig.send(rig.data(NATIVE, 60)).send(rig.data(NATIVE, 61));
  }

  test('CL-46, CL-52: the relay that sends the reply becomes the route; the queue goes there, in order', () => {
    const rig = asked();
    rig.receive(RELAY, echoReply(rig.find('test', PRIMARY)));
    expect(rig.delivered).toEqual([]);
    expect(rig.all('data', RELAY).map(({ bytes }) => bytes.length)).toEqual([60, 61]);
    rig.clear().send(rig.data(NATIVE));
    expect(rig.kinds).toEqual(['data 192.0.2.200:3545']);
  });

  test('CL-46: a wrong nonce changes nothing', () => {
    const rig = asked();
    rig.receive(
      RELAY,
      echoReply(rig.find('test', PRIMARY), (nonce) => void (nonce[3] ^= 1)),
    );
    expect(rig.all('data')).toEqual([]);
    expect([...rig.machine.peers(rig.now)][0].trusted).toBe(false);
  });

  test('CL-46: a wrong checksum or length changes nothing', () => {
    const rig = asked();
    const reply = echoReply(rig.find('test', PRIMARY));
    reply[42] ^= 1;
    rig.receive(RELAY, reply);
    const { source, destination } = rig.find('test', PRIMARY);
    const longer = { source: destination, destination: source, hopLimit: 60, identifier: 1, sequence: 1 };
    rig.receive(RELAY, buildEchoReply({ ...longer, data: new Uint8Array(9) }));
    expect(rig.all('data')).toEqual([]);
  });

  test('CL-121: a late reply to a test that has ended is ignored', () => {
    const rig = asked();
    const reply = echoReply(rig.find('test', PRIMARY));
    rig.advanceServed(20_000).receive(RELAY, reply);
    expect(rig.machine.counters.consumedTestReplies).toBe(0);
    expect([...rig.machine.peers(rig.now)][0].trusted).toBe(false);
  });

  test('CL-46: a nonce is accepted once', () => {
    const rig = asked();
    const reply = echoReply(rig.find('test', PRIMARY));
    rig.receive(RELAY, reply).clear().receive(ELSEWHERE, reply).send(rig.data(NATIVE));
    expect(rig.all('data')[0].to(RELAY)).toBe(true);
  });

  test('A-19: a reply through the server, if that is a relay, too', () => {
    const rig = asked();
    rig.receive(PRIMARY, echoReply(rig.find('test', PRIMARY)));
    expect(rig.all('data', PRIMARY)).toHaveLength(2);
  });

  test('a native host is reached by its relay, even if that relay connects clients, too (docs/adr/0017)', () => {
    const rig = asked({ meet: RELAY });
    rig.receive(RELAY, echoReply(rig.find('test', PRIMARY)));
    expect([...rig.machine.peers(rig.now)].map(({ means }) => means)).toEqual(['relay']);
    expect(rig.machine.progress(NATIVE, rig.now)).toMatchObject({ state: 'valid', means: 'relay' });
  });

  test('CL-53: a trusted native peer whose packets come from another relay is tested, and moved there when the test succeeds', () => {
    const rig = asked();
    rig
      .receive(RELAY, echoReply(rig.find('test', PRIMARY)))
      .advance(6_000)
      .clear();
    rig.receive(ELSEWHERE, data(NATIVE, rig.address));
    expect(rig.kinds).toEqual(['test 203.0.113.120:3544']);
    expect(rig.delivered).toHaveLength(1);
    rig.send(rig.data(NATIVE));
    expect(rig.all('data')[0].to(RELAY)).toBe(true);
    rig
      .receive(ELSEWHERE, echoReply(rig.find('test', PRIMARY)))
      .clear()
      .send(rig.data(NATIVE));
    expect(rig.kinds).toEqual(['data 198.18.0.1:1111']);
  });
});
