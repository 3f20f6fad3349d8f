/** The system refuses sockets, for example because the process has no descriptors left: no bubble names a port without a socket. */
import { describe, expect, test } from 'vitest';
import { ClientRig, data } from '../../../../test/support/client-rig.ts';
import {
  A,
  A_MAPPED,
  A_NONCE,
  A_SERVER,
  NatRig,
  agree,
  trailersOf,
} from '../../../../test/support/nat-rig.ts';

const [PROBE, RANDOM] = [1, 16];

/** The random ports in all bubbles sent. */
const namedPorts = (rig: NatRig) => rig.all('bubble').map((one) => trailersOf(one).randomPort);

describe('behind a NAT that preserves ports', () => {
  test('the indirect bubble has no port; the next one names it when there is a socket', () => {
    const rig = new NatRig('preserving');
    rig.opensSockets = false;
    rig.send(data(rig.address, A));
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'indirect']);
    expect(namedPorts(rig)).toEqual([undefined, undefined]);
    expect([...rig.sockets]).toEqual([]);
    expect(rig.machine.counters['socketsFailed']).toBe(1);

    rig.opensSockets = true;
    rig.clear().pass(2_500);
    expect([...rig.sockets]).toEqual([RANDOM]);
    expect(trailersOf(rig.indirect).randomPort).toBe(rig.wantedPorts.at(-1));
  });

  test('the answer to the indirect bubble without a port is accepted', () => {
    const rig = new NatRig('preserving');
    rig.opensSockets = false;
    rig.send(data(rig.address, A));
    rig.forwarded({ nonce: A_NONCE }).direct(undefined, { nonce: rig.nonce });
    expect(rig.trusted).toBe(true);
  });

  test('the peer sends first: its bubble is answered without a port', () => {
    const rig = new NatRig('preserving');
    rig.opensSockets = false;
    rig.forwarded({ nonce: A_NONCE });
    expect(rig.all('bubble').length).toBeGreaterThan(0);
    expect(namedPorts(rig).filter((port) => port !== undefined)).toEqual([]);
    expect(rig.all('bubble').filter(({ socket }) => socket >= RANDOM)).toEqual([]);
  });

  test('other peers and their sockets are not affected', () => {
    const rig = new NatRig('preserving');
    rig.send(data(rig.address, A));
    const port = trailersOf(rig.indirect).randomPort;
    rig.opensSockets = false;
    const other = A.slice();
    other[15]! ^= 1;
    rig.clear().send(data(rig.address, other));
    expect(namedPorts(rig).filter((one) => one !== undefined)).toEqual([]);
    rig.opensSockets = true;
    rig.clear().pass(2_500);
    expect(namedPorts(rig)).toContain(port);
  });
});

test('behind a counting NAT no Echo Test begins, and the indirect bubble is sent at once', () => {
  const rig = new NatRig('counting');
  rig.opensSockets = false;
  rig.send(data(rig.address, A));
  expect(rig.bubbles).toContain('indirect');
  expect(rig.all('solicitation').filter(({ socket }) => socket >= RANDOM)).toEqual([]);
  expect(rig.all('bubble').filter(({ socket }) => socket >= RANDOM)).toEqual([]);
  expect(namedPorts(rig).filter((port) => port !== undefined)).toEqual([]);
});

test('a guess without its sockets sends no datagram from them, and another attempt is made', () => {
  const rig = new NatRig('random');
  const toA = data(rig.address, A);
  // The client's NAT turns out to be random, and both agree to guess: 256 sockets open it.
  rig.send(toA).advance(4_500);
  const open = new Set(rig.sockets);
  rig.opensSockets = false;
  agree(rig, A, A_SERVER, A_MAPPED, { habit: 'stable' });
  rig.advance(2_000);
  expect(rig.machine.counters['socketsFailed']).toBeGreaterThan(100);
  expect(rig.machine.counters['sentGuesses']).toBeGreaterThan(0);
  const isMissing = ({ socket }: { socket: number }) => socket >= RANDOM && !open.has(socket);
  expect(rig.all('bubble').filter(isMissing)).toEqual([]);
  rig.pass(600_000);
  rig.opensSockets = true;
  rig.clear().send(toA).advance(100);
  expect(rig.bubbles).toContain('direct 192.0.2.1:4096');
});

describe('functions that need a socket of their own', () => {
  test('the determination of the refresh interval begins later', () => {
    const rig = new ClientRig({ refresh: 'auto' });
    rig.opensSockets = false;
    rig.qualify();
    const wanted = () =>
      rig.events.filter((event) => event.type === 'socket-wanted' && event.socket === PROBE).length;
    rig.clear().advanceServed(59_000);
    expect(wanted()).toBe(0);
    rig.advanceServed(2_000);
    expect(wanted()).toBe(1);
    rig.opensSockets = true;
    rig.clear().advanceServed(60_000);
    expect(wanted()).toBe(1);
    rig.clear().advanceServed(600_000);
    expect(wanted()).toBe(0);
  });

  test('local discovery begins later', () => {
    const rig = new ClientRig();
    rig.opensSockets = false;
    rig.qualify();
    rig.opensSockets = true;
    rig.clear().advanceServed(600_000);
    expect(rig.events.filter(({ type }) => type === 'socket-wanted')).toHaveLength(1);
  });
});

test('a socket that was wanted and opened is not wanted again', () => {
  const rig = new ClientRig({ refresh: 'auto' }).qualify();
  rig.clear().advanceServed(200_000);
  expect(rig.events.filter(({ type }) => type === 'socket-wanted')).toEqual([]);
});
