import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Memory, sys } from './libc.ts';
import { Messages } from './messages.ts';
import { enterNewNetwork } from './netns.ts';
import { openSharedPort, steerBySource } from './shared-port.ts';
import {
  AF_INET,
  OPTION,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  bindIpv4,
  joinGroup,
  openSocket,
  setOption,
} from './socket.ts';
import { UdpSocket } from './udp.ts';
import type { UdpOptions } from './udp.ts';
import { eventually } from '../../test/support/eventually.ts';

const LOOPBACK = 0x7f000001;
const ANY = 0;
const GROUP = 0xe00000fd;
const HEADROOM = 64;
/** Level and name. */
const IP_TOS = [0, 1] as const;
const isRoot = process.getuid?.() === 0;

describe('sending', () => {
  test('keeps order, boundaries and bytes, whichever datagrams go as one run', async () => {
    const [a, b] = [receiver(), receiver()];
    const sender = open();
    const sent: { to: Receiver; length: number; mark: number }[] = [];
    const lengths = [
      1280, 1280, 1280, 700, 1280, 40, 40, 1280, 1280, 600, 600, 601, 9_000, 9_000, 65_000, 511, 511, 148,
      148, 148, 64, 64, 63, 63, 0, 0, 1, 1,
    ];
    for (let i = 0; i < 200; i++) {
      sent.push({ to: i % 7 < 5 ? a : b, length: lengths[i % lengths.length]!, mark: i });
    }

    for (const { to, length, mark } of sent) {
      const bytes = new Uint8Array(length).fill(mark);
      sender.send(bytes, 0, length, LOOPBACK, to.port);
      bytes.fill(0xee); // no longer needed
      if (mark % 50 === 49) sender.flush();
    }

    for (const to of [a, b]) {
      const expected = sent.filter((datagram) => datagram.to === to);
      await eventually(() => expect(to.datagrams).toHaveLength(expected.length));
      expect(to.datagrams.map((bytes) => ({ length: bytes.length, mark: bytes[0] }))).toEqual(
        expected.map(({ length, mark }) => ({ length, mark: length === 0 ? undefined : mark })),
      );
      for (const bytes of to.datagrams) expect(bytes.every((byte) => byte === bytes[0])).toBe(true);
    }
    expect(sender.counters.sendFailures).toEqual({});
    expect(sender.counters.sentDatagrams).toBe(200);
    expect(sender.counters.sentBytes).toBe(sent.reduce((sum, { length }) => sum + length, 0));
  });

  test('sends lent bytes from where they are at the flush', async () => {
    const to = receiver();
    const forwarder = open();
    forwarder.start((batch) => {
      forwarder.send(batch.buffer, batch.offsets[0]!, batch.lengths[0]!, LOOPBACK, to.port);
      batch.buffer[batch.offsets[0]! + 1] = 77;
      forwarder.flush();
    });
    const sender = open();
    sender.send(Uint8Array.of(1, 2, 3), 0, 3, LOOPBACK, forwarder.local.port);
    sender.flush();

    await eventually(() => expect(to.datagrams).toEqual([Uint8Array.of(1, 77, 3)]));
  });

  test('counts a datagram that the kernel refuses, and sends the others', async () => {
    const to = receiver();
    const sender = open();
    const bytes = new Uint8Array(70_000);
    sender.send(bytes, 0, 100, LOOPBACK, to.port);
    sender.send(bytes, 0, 100, LOOPBACK, 0);
    sender.send(bytes, 0, 65_508, LOOPBACK, to.port);
    for (let i = 0; i < 3; i++) sender.send(bytes, 0, 1280, 0xffffffff, to.port); // broadcast is not enabled
    sender.send(bytes, 0, 200, LOOPBACK, to.port);
    sender.flush();

    await eventually(() => expect(to.datagrams.map(({ length }) => length)).toEqual([100, 200]));
    expect(sender.counters.sentBytes).toBe(300);
    const { EINVAL, EMSGSIZE, ...others } = sender.counters.sendFailures;
    expect({ EINVAL, EMSGSIZE }).toEqual({ EINVAL: 1, EMSGSIZE: 1 });
    // EACCES, or ENETUNREACH if there is no interface but loopback.
    expect(Object.values(others)).toEqual([3]);
  });

  test('does nothing once closed', () => {
    const sender = open();
    sender.send(new Uint8Array(10), 0, 10, LOOPBACK, 9);
    sender.close();
    sender.flush();
    sender.send(new Uint8Array(10), 0, 10, LOOPBACK, 9);
    sender.close();
    expect(sender.counters.sentDatagrams).toBe(0);
    expect(sender.counters.sendFailures).toEqual({});
  });
});

describe('receiving', () => {
  test('loses nothing of the largest datagrams, and leaves head-room in front of each', async () => {
    const socket = open();
    const seen: { length: number; first: number; last: number }[] = [];
    let offsets: number[] = [];
    socket.start((batch) => {
      offsets = [...batch.offsets.subarray(0, batch.count)];
      for (let i = 0; i < batch.count; i++) {
        const start = batch.offsets[i]!;
        const end = start + batch.lengths[i]!;
        batch.buffer.fill(0xff, start - HEADROOM, start);
        seen.push({ length: end - start, first: batch.buffer[start]!, last: batch.buffer[end - 1]! });
      }
    });
    const sender = open();
    for (let i = 1; i <= 10; i++) {
      sender.send(new Uint8Array(65_507).fill(i), 0, 65_507, LOOPBACK, socket.local.port);
    }
    sender.flush();

    await eventually(() => expect(seen).toHaveLength(10));
    expect(seen).toEqual(
      Array.from({ length: 10 }, (_, i) => ({ length: 65_507, first: i + 1, last: i + 1 })),
    );
    expect(offsets[0]).toBeGreaterThanOrEqual(HEADROOM);
    for (let i = 1; i < offsets.length; i++)
      expect(offsets[i]! - offsets[i - 1]!).toBeGreaterThanOrEqual(65_507 + HEADROOM);
  });

  test('gives the sender of a datagram', async () => {
    const socket = open();
    const sources: string[] = [];
    socket.start((batch) => sources.push(`${batch.addresses[0]!.toString(16)}:${batch.ports[0]}`));
    const sender = open({ address: 0x7f010203 });
    sender.send(new Uint8Array(1), 0, 1, LOOPBACK, socket.local.port);
    sender.flush();

    await eventually(() => expect(sources).toEqual([`7f010203:${sender.local.port}`]));
  });

  test.each([false, true])(
    'gives the TOS octet of each datagram (N-8), also of those in a run: runs %s',
    async (runs) => {
      const socket = open({ runs });
      const seen: number[] = [];
      socket.start((batch) => seen.push(...batch.tos.subarray(0, batch.count)));
      // One after the other: datagrams that the system merges into a run, and one that it does not.
      const sent = [0, 3, 3, 0xba, 1, 2, 0];
      for (const tos of sent) {
        const sender = open();
        setOption(sender['fd'], IP_TOS, tos);
        for (let i = 0; i < 5; i++) sender.send(new Uint8Array(1280), 0, 1280, LOOPBACK, socket.local.port);
        sender.flush();
      }
      const expected = sent.flatMap((tos) => Array.from({ length: 5 }, () => tos));
      await eventually(() => expect(seen).toEqual(expected));
    },
  );

  test('counts the datagrams that overflowed while the socket was not read', async () => {
    const socket = open();
    const sender = open();
    const bytes = new Uint8Array(60_000);
    for (let i = 0; i < 1_000; i++) sender.send(bytes, 0, bytes.length, LOOPBACK, socket.local.port);
    sender.flush();
    let received = 0;
    socket.start((batch) => (received += batch.count));

    await eventually(() => expect(received + socket.counters.receiveOverflows).toBe(1_000));
    expect(socket.counters.receiveOverflows).toBeGreaterThan(0);
    const overflows = socket.counters.receiveOverflows;
    socket.close();
    expect(socket.counters.receiveOverflows).toBe(overflows);
  });

  test('timers run during a flood', async () => {
    const socket = open();
    let flooding = true;
    socket.start((batch) => {
      for (let i = 0; flooding && i < batch.count; i++)
        socket.send(batch.buffer, batch.offsets[i]!, 100, LOOPBACK, socket.local.port);
      socket.flush(); // to itself: more to read is always there
    });
    for (let i = 0; i < 640; i++) socket.send(new Uint8Array(100), 0, 100, LOOPBACK, socket.local.port);
    socket.flush();

    // Each call of the timer continues the flood, and the timer must nevertheless come round again.
    let turns = 0;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (++turns < 5 || socket.counters.receivedDatagrams < 1_000) return;
        clearInterval(timer);
        resolve();
      }, 1);
    });
    flooding = false;
    expect(turns).toBeGreaterThanOrEqual(5);
  });

  test('so do other descriptors while large datagrams wait', async () => {
    const socket = open({ runs: true });
    const sender = open();
    const [count, size] = [40, 60_000];
    for (let i = 0; i < count; i++) sender.send(new Uint8Array(size), 0, size, LOOPBACK, socket.local.port);
    sender.flush();
    const turns: number[] = [];
    let isSameTurn = false;
    socket.start((batch) => {
      if (!isSameTurn) turns.push(0);
      isSameTurn = true;
      setImmediate(() => (isSameTurn = false));
      for (let i = 0; i < batch.count; i++) turns[turns.length - 1]! += batch.lengths[i]!;
    });

    await eventually(() =>
      expect(socket.counters.receivedDatagrams + socket.counters.receiveOverflows).toBe(count),
    );
    // The octets that end a turn, and one call of 16 runs.
    expect(Math.max(...turns)).toBeLessThan((512 + 1_024) << 10);
  });

  test('so do they while each datagram takes long', async () => {
    const [socket, sender] = [open(), open()];
    const count = 640;
    for (let i = 0; i < count; i++) sender.send(new Uint8Array(100), 0, 100, LOOPBACK, socket.local.port);
    sender.flush();
    let [inTurn, most] = [0, 0];
    socket.start((batch) => {
      inTurn += batch.count;
      most = Math.max(most, inTurn);
      setImmediate(() => (inTurn = 0));
      const begun = performance.now();
      while (performance.now() - begun < 2);
    });
    await eventually(() => expect(socket.counters.receivedDatagrams).toBe(count));
    expect(most).toBe(64); // one call
  });

  test('so do they while runs of small datagrams wait', async () => {
    const [socket, sender] = [open({ runs: true }), open()];
    const count = 4_096;
    for (let i = 0; i < count; i++) sender.send(new Uint8Array(100), 0, 100, LOOPBACK, socket.local.port);
    sender.flush();
    const turns: number[] = [];
    let isSameTurn = false;
    socket.start((batch) => {
      if (!isSameTurn) turns.push(0);
      isSameTurn = true;
      setImmediate(() => (isSameTurn = false));
      turns[turns.length - 1]! += batch.count;
    });

    await eventually(() =>
      expect(socket.counters.receivedDatagrams + socket.counters.receiveOverflows).toBe(count),
    );
    expect(Math.max(...turns)).toBeLessThanOrEqual(1_024);
  });

  test('a run of more datagrams than a turn may have does not stop the socket', async () => {
    const [socket, sender] = [open({ runs: true }), open()];
    socket.start(() => {});
    // Kernels 6.2 to 6.5 take such runs from virtual machines.
    const segmentSize = vi.spyOn(Messages.prototype, 'segmentSize').mockReturnValueOnce(1);
    onTestFinished(() => segmentSize.mockRestore());
    for (const [length, received] of [
      [4_000, 4_000],
      [1, 4_001],
    ] as const) {
      sender.send(new Uint8Array(length), 0, length, LOOPBACK, socket.local.port);
      sender.flush();
      await eventually(() => expect(socket.counters.receivedDatagrams).toBe(received));
    }
  });

  test('bulk is limited by its octets, however long it takes', async () => {
    const [socket, sender] = [open({ runs: true }), open()];
    const [count, size] = [64, 10_000];
    for (let i = 0; i < count; i++) sender.send(new Uint8Array(size), 0, size, LOOPBACK, socket.local.port);
    sender.flush();
    let [inTurn, most] = [0, 0];
    socket.start((batch) => {
      for (let i = 0; i < batch.count; i++) inTurn += batch.lengths[i]!;
      most = Math.max(most, inTurn);
      setImmediate(() => (inTurn = 0));
      const begun = performance.now();
      while (performance.now() - begun < 2);
    });
    await eventually(() => expect(socket.counters.receivedDatagrams).toBe(count));
    expect(most).toBeGreaterThanOrEqual(512 << 10);
  });
});

test('refuses a port that is taken and an address of another host', () => {
  const { port } = open().local;
  expect(() => open({ port })).toThrowError(expect.objectContaining({ code: 'EADDRINUSE', call: 'bind' }));
  expect(() => open({ address: 0x01020304 })).toThrowError(
    expect.objectContaining({ code: 'EADDRNOTAVAIL' }),
  );
});

describe.skipIf(!isRoot)('on a wire (needs root)', () => {
  const HOST = 0x0a000001;
  const OTHER = 0x0a000002;

  beforeAll(() => {
    enterNewNetwork();
    ip('link set lo up');
    ip('link add near type veth peer name far');
    ip('address add 10.0.0.1/24 dev near');
    ip('link set near mtu 1280 up');
    ip('link set far mtu 1280 up');
    ip('neighbour add 10.0.0.2 lladdr 02:00:00:00:00:02 dev near');
    ip('route add default via 10.0.0.2');
  });

  test('lets routers fragment: no DF (C-23), no ECN (N-1), also for runs that do not fit the interface', async () => {
    const sender = open({ address: ANY });
    for (let i = 0; i < 10; i++) sender.send(new Uint8Array(1280), 0, 1280, OTHER, 3544);
    const frames = sniff('far');
    sender.flush();

    expect(sender.counters.sendFailures).toEqual({});
    expect(sender.counters.sentDatagrams).toBe(10);
    // 1280 and 28 bytes of headers do not fit into 1280: two fragments each.
    await eventually(() => expect(frames().filter((frame) => isTo(frame, OTHER))).toHaveLength(20));
    for (const frame of frames().filter((frame) => isTo(frame, OTHER))) {
      expect(frame[20]! & 0x40, 'DF').toBe(0);
      expect(frame[15], 'TOS').toBe(0);
    }
  });

  test('bubbles to one server: one message for the kernel, single datagrams in order on the wire', async () => {
    execFileSync('ethtool', ['-K', 'near', 'tx-udp-segmentation', 'off']);
    const sender = open({ address: ANY });
    const payloads = Array.from({ length: 60 }, (_, mark) => new Uint8Array(40).fill(mark));
    for (const payload of payloads) sender.send(payload, 0, 40, OTHER, 3544);
    const frames = sniff('far');
    const before = sentMessages();
    sender.flush();

    expect(sentMessages() - before).toBe(1);
    const arrived = () => frames().filter((frame) => isTo(frame, OTHER));
    await eventually(() => expect(arrived()).toHaveLength(60));
    expect(arrived().map((frame) => frame.slice(42))).toEqual(payloads);
    for (const frame of arrived()) expect([...frame.slice(38, 40)], 'UDP length').toEqual([0, 48]);
    expect(sender.counters).toMatchObject({ sentDatagrams: 60, sentBytes: 2_400, sendFailures: {} });
  });

  test('discovery: sent with TTL 1, received by members of the group only (CL-112)', async () => {
    const port = 3544;
    const neighbour = receiver({ address: GROUP, port, group: { address: GROUP, local: HOST } });
    const second = receiver({ address: GROUP, port, group: { address: GROUP, local: HOST } });
    const service = receiver({ address: HOST, port });
    const frames = sniff('far');
    const sender = open({ address: ANY });
    const datagrams: [number, number][] = [
      [GROUP, 7],
      [HOST, 8],
    ];
    for (const [to, mark] of datagrams) sender.send(Uint8Array.of(mark), 0, 1, to, port);
    sender.flush();

    await eventually(() => expect(service.datagrams).toEqual([Uint8Array.of(8)]));
    await eventually(() => expect(neighbour.datagrams).toEqual([Uint8Array.of(7)]));
    await eventually(() => expect(second.datagrams).toEqual([Uint8Array.of(7)]));
    await eventually(() =>
      expect(frames().some((frame) => isTo(frame, GROUP) && frame[22] === 1)).toBe(true),
    );
  });

  test.each([
    ['a service socket', 1],
    ['the service sockets of several workers', 3],
  ])(
    '%s on the discovery port of all addresses: the discovery socket alone shares it',
    async (_, workers) => {
      const port = 3544;
      const group = { address: GROUP, local: HOST };
      const service = serviceSocket(port, workers);
      expect(() => open({ address: GROUP, port, group })).toThrow(/EADDRINUSE/);
      const heard: string[] = [];
      service.start(() => void heard.push('service'));
      service
        .shareWhile((reuseport) => open({ address: GROUP, port, group: { ...group, reuseport } }))
        .start(() => void heard.push('discovery'));
      const thief = openSocket(AF_INET, SOCK_DGRAM);
      onTestFinished(() => void sys.close(thief));
      setOption(thief, OPTION.REUSEADDR, 1);
      expect(() => bindIpv4(thief, ANY, port)).toThrow(/EADDRINUSE/);
      const sender = open({ address: HOST });
      for (const [to, times] of [
        [GROUP, 1],
        [HOST, 2],
      ] as const) {
        sender.send(Uint8Array.of(1), 0, 1, to, port);
        sender.flush();
        await eventually(() => expect(heard).toHaveLength(times));
      }
      expect(heard).toEqual(['discovery', 'service']);
    },
  );

  test('a service socket on the discovery port receives nothing from groups that other sockets have joined', async () => {
    const service = receiver({ address: ANY, port: 3544 });
    const joined = openSocket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, 2);
    onTestFinished(() => void sys.close(joined));
    joinGroup(joined, GROUP, HOST);
    const sender = open();
    sender.send(Uint8Array.of(1), 0, 1, GROUP, 3544);
    sender.send(Uint8Array.of(2), 0, 1, HOST, 3544);
    sender.flush();

    await eventually(() => expect(service.datagrams).toHaveLength(1));
    expect(service.datagrams[0]).toEqual(Uint8Array.of(2));
  });
});

interface Receiver {
  readonly port: number;
  readonly datagrams: Uint8Array[];
}

function open(options: Partial<UdpOptions> = {}): UdpSocket {
  const socket = new UdpSocket({ address: LOOPBACK, port: 0, headroom: HEADROOM, ...options });
  onTestFinished(() => socket.close());
  return socket;
}

/** At all addresses; with more than one worker the first of their sockets, which gets all datagrams. */
function serviceSocket(port: number, workers: number): UdpSocket {
  if (workers === 1) return open({ address: ANY, port });
  const [kept, ...others] = openSharedPort(ANY, port, workers, steerToFirst);
  onTestFinished(() => others.forEach((fd) => void sys.close(fd)));
  return open({ address: ANY, port, kept: kept! });
}

/** Of one socket the program can choose that one only. */
function steerToFirst([first]: readonly number[]): void {
  steerBySource([first!], 1);
}

function receiver(options: Partial<UdpOptions> = {}): Receiver {
  const socket = open(options);
  const datagrams: Uint8Array[] = [];
  socket.start((batch) => {
    for (let i = 0; i < batch.count; i++) {
      datagrams.push(batch.buffer.slice(batch.offsets[i]!, batch.offsets[i]! + batch.lengths[i]!));
    }
  });
  return { port: socket.local.port, datagrams };
}

/** Of UDP, by all sockets of this network, as the kernel counts: a run is one. */
function sentMessages(): number {
  const [names, values] = readFileSync('/proc/thread-self/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Udp: '))
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf('OutDatagrams')]);
}

function ip(command: string): void {
  execFileSync('ip', command.split(' '));
}

/** Frames that arrive at an interface from now on, from a packet socket. */
function sniff(name: string): () => Uint8Array[] {
  const AF_PACKET = 17;
  const ETH_P_ALL = 0x0300; // network order
  const fd = openSocket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, ETH_P_ALL);
  onTestFinished(() => void sys.close(fd));
  const index = Number.parseInt(execFileSync('ip', ['-oneline', 'link', 'show', name]).toString());
  const address = new Memory(20); // struct sockaddr_ll
  address.view.setUint16(0, AF_PACKET, true);
  address.view.setUint16(2, ETH_P_ALL, true);
  address.view.setInt32(4, index, true);
  if (sys.bind(fd, address.address, 20) < 0) throw new Error(`cannot listen on ${name}`);
  const frames: Uint8Array[] = [];
  const memory = new Memory(70_000);
  return () => {
    for (;;) {
      const length = sys.read(fd, memory.address, 70_000);
      if (length <= 0) return frames;
      frames.push(memory.bytes.slice(0, length));
    }
  };
}

/** An Ethernet frame with an IPv4 packet to this address. */
function isTo(frame: Uint8Array, address: number): boolean {
  const view = new DataView(frame.buffer);
  return frame.length >= 34 && view.getUint16(12) === 0x0800 && view.getUint32(30) === address;
}
