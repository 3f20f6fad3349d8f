import { spawn } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { InPlace, work } from './in-place.ts';
import { Memory, sys, uvLoop } from './libc.ts';
import type { EventLoop } from './libc.ts';
import { localEndpoint } from './socket.ts';
import { sendTo, udpSocket } from '../../test/support/loopback.ts';

test('packets that come meanwhile are served, until the loop has a timer due', () => {
  const socket = udpSocket();
  let [left, served] = [3, 0];
  const inPlace = new InPlace(aLoop({ timeout: () => (left === 0 ? 20 : -1) }));
  inPlace.watch([
    reading(socket, () => {
      served++;
      if (left > 0) {
        left--;
        sendTo(socket);
      }
      work.carriedPackets();
    }),
  ]);
  sendTo(socket);

  serve(inPlace);

  expect(served).toBe(4);
});

test('anything that another descriptor of the loop has ends the wait', () => {
  const backend = udpSocket();
  const inPlace = new InPlace(aLoop({ backend, timeout: () => -1 }));
  inPlace.watch([reading(udpSocket(), () => expect.unreachable())]);
  sendTo(backend);

  serve(inPlace);
});

test('a descriptor that is ready again and again does not keep the loop from another one', () => {
  const [socket, backend] = [udpSocket(), udpSocket()];
  let served = 0;
  const inPlace = new InPlace(aLoop({ backend, timeout: () => -1 }));
  inPlace.watch([
    reading(socket, () => {
      if (served++ < 100) sendTo(socket);
      work.carriedPackets();
    }),
  ]);
  sendTo(socket);
  sendTo(backend);

  serve(inPlace);

  expect(served).toBeGreaterThan(0);
  expect(served).toBeLessThan(10);
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

test('with many descriptors there is no wait', () => {
  const inPlace = new InPlace(aLoop({ timeout: () => -1 }));
  inPlace.watch(Array.from({ length: 100 }, () => reading(udpSocket(), () => expect.unreachable())));

  serve(inPlace);
});

test("Node.js's timers are on time, although its loop does not run meanwhile", async () => {
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

function aLoop(loop: Partial<EventLoop>): EventLoop {
  return { backend: udpSocket(), timeout: () => -1, ...loop };
}

function reading(fd: number, onPacket: () => void) {
  const into = new Memory(16);
  return { fd, onReadable: () => sys.read(fd, into.address, 16) > 0 && onPacket() };
}
