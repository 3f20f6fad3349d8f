import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { InPlace, work } from './in-place.ts';
import { Memory, sys, uvLoop } from './libc.ts';
import type { EventLoop } from './libc.ts';
import { localEndpoint } from './socket.ts';
import { sendTo, udpSocket } from '../../test/support/loopback.ts';

const O_NONBLOCK = 0o4000;

const { poll } = sys;
/** The calls of poll() in a test: the time that was asked for, and the result. */
let polls: [timeout: number, ready: number][] = [];

/** In a test that fails a wait ends after a tenth of a second, and 50 calls are the most. */
beforeEach(() => {
  polls = [];
  const spy = vi.spyOn(sys, 'poll').mockImplementation((descriptors, count, timeout) => {
    if (polls.length === 50) return -1;
    const ready = poll(descriptors, count, timeout < 0 ? 100 : Math.min(timeout, 100));
    polls.push([timeout, ready]);
    return ready;
  });
  return () => spy.mockRestore();
});

test('packets that come meanwhile are served, until the loop has a timer due', () => {
  const socket = udpSocket();
  let [left, served] = [10, 0];
  const timeout = (): number => {
    if (left-- === 0) return 20;
    sendTo(socket);
    return -1;
  };
  const inPlace = new InPlace(aLoop({ timeout }));
  inPlace.watch([reading(socket, () => (served++, work.carriedPackets()))]);

  serve(inPlace);

  expect(served).toBe(10);
  expect(polls.filter(([timeout]) => timeout !== 0)).toEqual([
    ...Array.from({ length: 10 }, () => [-1, 1]),
    [20, 0],
  ]);
});

test('all descriptors that are ready at the end of a wait are served', () => {
  const sockets = [udpSocket(), udpSocket(), udpSocket()];
  const served: number[] = [];
  let isFirst = true;
  const timeout = (): number => {
    if (isFirst) for (const i of [2, 0]) sendTo(sockets[i]!);
    isFirst = false;
    return 20;
  };
  const inPlace = new InPlace(aLoop({ timeout }));
  inPlace.watch(sockets.map((fd, i) => reading(fd, () => (served.push(i), work.carriedPackets()))));

  serve(inPlace);

  expect(served).toEqual([0, 2]);
  expect(polls).toEqual([
    [0, 0],
    [20, 2],
    [0, 0],
    [20, 0],
  ]);
});

test('a timer that is due has its turn, although packets come', () => {
  const socket = udpSocket();
  let [sent, served] = [0, 0];
  const timeout = (): number => {
    if (sent++ < 10) sendTo(socket);
    return 0;
  };
  const inPlace = new InPlace(aLoop({ timeout }));
  inPlace.watch([reading(socket, () => (served++, work.carriedPackets()))]);

  serve(inPlace);

  expect([sent, served]).toEqual([1, 0]);
});

test('anything that another descriptor of the loop has ends the wait', () => {
  const backend = udpSocket();
  const inPlace = new InPlace(aLoop({ backend, timeout: () => (sendTo(backend), -1) }));
  inPlace.watch([reading(udpSocket(), () => expect.unreachable())]);

  serve(inPlace);

  expect(polls).toEqual([
    [0, 0],
    [-1, 1],
  ]);
});

test('a descriptor that is ready again and again keeps the loop from another one for four turns', () => {
  const [socket, backend] = [udpSocket(), udpSocket()];
  let served = 0;
  const inPlace = new InPlace(aLoop({ backend }));
  inPlace.watch([
    reading(socket, () => {
      if (served++ < 100) sendTo(socket);
      work.carriedPackets();
    }),
  ]);
  sendTo(socket);
  sendTo(backend);

  serve(inPlace);

  expect(served).toBe(4);
});

test.each(['at the end of a wait', 'before one'])(
  'a wait that fails, %s, is the end, and nothing is read',
  (when) => {
    const socket = udpSocket();
    let calls = 0;
    const inPlace = new InPlace(aLoop());
    inPlace.watch([{ fd: socket, onReadable: () => (calls++, work.carriedPackets()) }]);
    sendTo(socket);
    serve(inPlace);
    expect(calls).toBe(4); // the descriptor is still ready
    // EINTR, for example: the results of the call before are still there.
    const failing = vi.mocked(sys.poll).mockReturnValue(-1);
    if (when === 'at the end of a wait') failing.mockReturnValueOnce(0);

    serve(inPlace);

    expect(calls).toBe(4);
  },
);

test('a descriptor with an error is left to the loop', () => {
  const ends = new Memory(8);
  expect(sys.pipe2(ends.address, O_NONBLOCK)).toBe(0);
  const [from, to] = [ends.view.getInt32(0, true), ends.view.getInt32(4, true)];
  onTestFinished(() => void sys.close(from));
  sys.write(to, new Memory(1).address, 1);
  sys.close(to); // there is an octet, and the end
  const inPlace = new InPlace(aLoop());
  inPlace.watch([reading(from, () => expect.unreachable())]);

  serve(inPlace);
});

test.each([
  ['work that may need the loop', () => work.needsLoop()],
  ['work that says nothing', () => {}],
])('%s ends the wait', (_, note) => {
  const socket = udpSocket();
  let served = 0;
  const inPlace = new InPlace(aLoop({ timeout: () => -1 }));
  inPlace.watch([
    reading(socket, () => {
      served++;
      if (note !== undefined) note();
    }),
  ]);
  sendTo(socket);

  serve(inPlace);
  expect(served).toBe(1);
});

test('a change of the watched descriptors ends the wait', () => {
  const [socket, other] = [udpSocket(), udpSocket()];
  const inPlace = new InPlace(aLoop({ timeout: () => -1 }));
  const watched = reading(socket, () => {
    inPlace.watch([watched]);
    work.carriedPackets();
  });
  // A socket that was closed in the same turn is not read from.
  inPlace.watch([watched, reading(other, () => expect.unreachable())]);
  sendTo(socket);
  sendTo(other);

  serve(inPlace);
});

test.each([
  ['16 descriptors are waited for', 16, [0, 20]],
  ['17 descriptors are not', 17, []],
])('%s', (_, count, expected) => {
  const inPlace = new InPlace(aLoop({ timeout: () => 20 }));
  inPlace.watch(Array.from({ length: count }, () => reading(udpSocket(), () => expect.unreachable())));

  serve(inPlace);

  const calls = vi.mocked(sys.poll).mock.calls.map(([, polled, timeout]) => [polled, timeout]);
  expect(calls).toEqual(expected.map((timeout) => [1 + count, timeout]));
});

test('the time until the next timer is that of now, although the loop has not run', async () => {
  const timer = setTimeout(() => {}, 60_000);
  onTestFinished(() => clearTimeout(timer));
  const loop = uvLoop()!;
  // Something else may wait for the loop.
  while (loop.timeout() < 1_000) await stat('.');
  const [before, begin] = [loop.timeout(), performance.now()];
  while (performance.now() - begin < 20);
  expect(before - loop.timeout()).toBeGreaterThanOrEqual(19);
});

test('in a worker, or without the functions of libuv, there is no wait', async () => {
  const inPlaceOf = async (isMainThread: boolean, uvLoopOf = uvLoop) => {
    vi.resetModules();
    vi.doMock('node:worker_threads', () => ({ isMainThread }));
    vi.doMock('./libc.ts', async (original) => ({ ...(await original<object>()), uvLoop: uvLoopOf }));
    const module = await import('./in-place.ts');
    expect(module.inPlace).toBeUndefined();
    module.waitInPlace();
    const first = module.inPlace;
    module.waitInPlace();
    expect(module.inPlace).toBe(first);
    return first;
  };
  onTestFinished(() => {
    vi.doUnmock('node:worker_threads');
    vi.doUnmock('./libc.ts');
  });

  expect(await inPlaceOf(true)).toBeDefined();
  expect(await inPlaceOf(false)).toBeUndefined();
  expect(await inPlaceOf(true, () => undefined)).toBeUndefined();
});

test("Node.js's timers are on time, although its loop does not run meanwhile", async () => {
  vi.mocked(sys.poll).mockImplementation(poll);
  const socket = udpSocket();
  const begin = performance.now();
  const fired: number[] = [];
  let setAt = 0;
  setTimeout(() => fired.push(performance.now() - begin), 400);
  const inPlace = new InPlace(uvLoop()!);
  const second = new Promise<void>((resolve) => {
    inPlace.watch([
      reading(socket, () => {
        setAt = performance.now();
        setTimeout(resolve, 300);
        work.carriedPackets();
      }),
    ]);
  });
  // From another process: this one does nothing else.
  const port = String(localEndpoint(socket).port);
  spawn('bash', ['-c', `sleep 0.1; echo > /dev/udp/127.0.0.1/${port}`]);

  while (setAt === 0) {
    serve(inPlace);
    await new Promise((resolve) => setImmediate(resolve));
  }
  while (fired.length === 0) {
    serve(inPlace);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await second;

  // Timers of Node.js count whole milliseconds.
  expect(fired[0]).toBeGreaterThanOrEqual(399);
  expect(performance.now() - setAt).toBeGreaterThanOrEqual(299);
});

/** As a poll does that has just served a packet. */
function serve(inPlace: InPlace): void {
  work.begin();
  work.carriedPackets();
  inPlace.serve();
}

function aLoop(loop: Partial<EventLoop> = {}): EventLoop {
  return { backend: udpSocket(), timeout: () => -1, ...loop };
}

function reading(fd: number, onPacket: () => void) {
  const into = new Memory(16);
  return { fd, onReadable: () => sys.read(fd, into.address, 16) > 0 && onPacket() };
}
