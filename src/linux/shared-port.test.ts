import { readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { sys } from './libc.ts';
import { openSharedPort, steerBySource } from './shared-port.ts';
import { AF_INET, OPTION, SOCK_DGRAM, bindIpv4, openSocket, setOption } from './socket.ts';
import { UdpSocket } from './udp.ts';

const LOOPBACK = 0x7f000001;
/** 127.0.0.1 and the 63 addresses behind it. */
const SOURCES = Array.from({ length: 64 }, (_, i) => LOOPBACK + i);
const [KEY, OTHER_KEY] = [0x9e3779b1, 0x85ebca77];

function freePort(): number {
  const socket = new UdpSocket({ address: LOOPBACK, port: 0, headroom: 0 });
  socket.close();
  return socket.local.port;
}

/** The sources from which each socket has received, in the order of arrival. */
class Shares {
  readonly port: number;
  readonly fds: readonly number[];
  readonly seen: readonly number[][];

  constructor(count: number, key: number, port = freePort()) {
    this.port = port;
    this.fds = openSharedPort(LOOPBACK, port, count, (sockets) => steerBySource(sockets, key));
    this.seen = this.fds.map((kept) => {
      const socket = new UdpSocket({ address: LOOPBACK, port, headroom: 0, kept });
      const seen: number[] = [];
      socket.start((batch) => seen.push(...batch.addresses.subarray(0, batch.count)));
      onTestFinished(() => socket.close());
      return seen;
    });
  }

  /** Each source sends one datagram, from a port of its own. Resolves with the number of the socket that got it, by source. */
  async divide(): Promise<number[]> {
    for (const seen of this.seen) seen.length = 0;
    for (const address of SOURCES) {
      const sender = new UdpSocket({ address, port: 0, headroom: 0, few: true });
      sender.send(new Uint8Array(8), 0, 8, LOOPBACK, this.port);
      sender.flush();
      sender.close();
    }
    await eventually(() => expect(this.seen.flat()).toHaveLength(SOURCES.length));
    return SOURCES.map((source) => this.seen.findIndex((seen) => seen.includes(source)));
  }
}

test('a source always meets the same socket, two ports with one key are divided in the same way, and all sockets have a share', async () => {
  for (const count of [2, 3, 8]) {
    const shares = new Shares(count, KEY);
    const first = await shares.divide();
    expect(await shares.divide()).toEqual(first);
    expect(new Set(first).size).toBe(count);
    expect(await new Shares(count, KEY).divide()).toEqual(first);
    expect(await new Shares(count, OTHER_KEY).divide()).not.toEqual(first);
    steerBySource(shares.fds, OTHER_KEY);
    expect(await shares.divide()).not.toEqual(first);
  }
});

test('a port that another program has is refused, also where it would share it, and nothing is left open', () => {
  const port = freePort();
  const fd = openSocket(AF_INET, SOCK_DGRAM);
  onTestFinished(() => void sys.close(fd));
  setOption(fd, OPTION.REUSEPORT, 1);
  bindIpv4(fd, LOOPBACK, port);
  const before = readdirSync('/proc/self/fd').length;
  expect(() => openSharedPort(LOOPBACK, port, 4, () => {})).toThrow(/^bind: EADDRINUSE$/);
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});

test('a socket that the same account adds later gets nothing', async () => {
  const shares = new Shares(2, KEY);
  const fd = openSocket(AF_INET, SOCK_DGRAM);
  setOption(fd, OPTION.REUSEPORT, 1);
  bindIpv4(fd, LOOPBACK, shares.port);
  const late = new UdpSocket({ address: LOOPBACK, port: shares.port, headroom: 0, kept: fd });
  onTestFinished(() => late.close());
  let received = 0;
  late.start(({ count }) => (received += count));
  await shares.divide();
  expect(received).toBe(0);
});
