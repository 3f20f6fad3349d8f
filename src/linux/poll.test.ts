import koffi from 'koffi';
import { expect, onTestFinished, test, vi } from 'vitest';
import { E, Memory, errno, sys } from './libc.ts';
import { Poll } from './poll.ts';
import { localEndpoint } from './socket.ts';
import { eventually } from '../../test/support/eventually.ts';
import { connect, freePort, sendTo, udpSocket } from '../../test/support/loopback.ts';

test('survives an ICMP port unreachable on a connected socket, which ends a uv_poll permanently', async () => {
  const socket = udpSocket();
  const peerPort = freePort();
  connect(socket, peerPort);
  const read = new Memory(16);
  const errors: number[] = [];
  let received = 0;
  const poll = polled(socket, () => {
    const length = sys.read(socket, read.address, 16);
    if (length < 0) errors.push(errno());
    else received++;
  });

  for (let round = 1; round <= 3; round++) {
    sys.write(socket, read.address, 1); // no program listens there: the kernel answers with ICMP
    await eventually(() => expect(errors.length).toBeGreaterThanOrEqual(round));
  }
  const peer = udpSocket(peerPort);
  connect(peer, localEndpoint(socket).port);
  sys.write(peer, read.address, 1);

  await eventually(() => expect(received).toBe(1));
  // The pending error was removed before the read, so the read finds an empty queue.
  expect(new Set(errors)).toEqual(new Set([E.EAGAIN]));
  poll.close();
});

test('rethrows an error of the callback where it is not swallowed, and continues', async () => {
  const rethrown: unknown[] = [];
  const immediate = vi.spyOn(globalThis, 'setImmediate').mockImplementation(((run: () => void) => {
    try {
      run();
    } catch (error) {
      rethrown.push(error);
    }
  }) as unknown as typeof setImmediate);
  onTestFinished(() => immediate.mockRestore());
  const socket = udpSocket();
  const read = new Memory(16);
  const poll = polled(socket, () => {
    while (sys.read(socket, read.address, 16) > 0);
    throw new Error('of the callback');
  });

  for (let round = 1; round <= 2; round++) {
    sendTo(socket);
    await eventually(() => expect(rethrown).toHaveLength(round));
  }
  expect(rethrown[0]).toEqual(new Error('of the callback'));
  poll.close();
});

test('does not call back any more once closed, not even from inside the callback', async () => {
  const socket = udpSocket();
  let calls = 0;
  const poll = polled(socket, () => {
    calls++; // without a read an open poll would call again at once
    poll.close();
  });

  sendTo(socket);
  await eventually(() => expect(calls).toBe(1));
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(calls).toBe(1);
});

test('a descriptor that cannot be polled is an error, and does not end the process', () => {
  const control = vi.spyOn(sys, 'epollCtl').mockImplementation(() => -1);
  onTestFinished(() => control.mockRestore());
  expect(() => new Poll(udpSocket(), () => {})).toThrow(/epoll_ctl/);
});

/** Modules of their own, which wait in place; and their waits: none lasts, and none finds a descriptor ready. */
async function waitingModules() {
  vi.resetModules();
  const { sys: calls } = await import('./libc.ts');
  const { waitInPlace, work } = await import('./in-place.ts');
  const { SystemCallError } = await import('./errors.ts');
  const { Poll: Waiting } = await import('./poll.ts');
  const wait = vi.spyOn(calls, 'poll').mockReturnValue(0);
  onTestFinished(() => wait.mockRestore());
  waitInPlace();
  const reading = (fd: number, onPacket: () => void): Poll => {
    const into = new Memory(16);
    const poll = new Waiting(fd, () => sys.read(fd, into.address, 16) > 0 && onPacket());
    onTestFinished(() => poll.close());
    return poll;
  };
  return { reading, work, wait, SystemCallError };
}

test('after packets there is a wait in place, and after anything else the event loop has its turn first', async () => {
  const { reading, work, wait } = await waitingModules();
  const [a, b] = [udpSocket(), udpSocket()];
  const done: string[] = [];
  const poll = reading(a, () => {
    done.push('a');
    void Promise.resolve().then(() => done.push(`promise after ${wait.mock.calls.length} waits`));
  });
  reading(b, () => {
    done.push('b');
    work.carriedPackets();
  });

  // Of one turn: the callback of b follows that of a, and then the promises of both are dealt with.
  sendTo(a);
  sendTo(b);
  await eventually(() => expect(done).toEqual(['a', 'b', 'promise after 0 waits']));

  sendTo(b);
  await eventually(() => expect(done).toHaveLength(4));
  const waits = wait.mock.calls.length;
  // libuv's descriptor, and those of the polls.
  expect(wait.mock.calls[0]!.slice(1)).toEqual([3, 0]);

  sendTo(a);
  await eventually(() => expect(done.slice(4)).toEqual(['a', `promise after ${waits} waits`]));

  poll.close();
  for (const count of [7, 8]) {
    sendTo(b);
    await eventually(() => expect(done).toHaveLength(count));
    expect(wait.mock.calls.length === waits).toBe(count === 7);
  }
  expect(wait.mock.lastCall![1]).toBe(2);
});

test('after a callback in which the system refused something the event loop has its turn first', async () => {
  const { reading, work, wait, SystemCallError } = await waitingModules();
  const [a, b] = [udpSocket(), udpSocket()];
  const done: string[] = [];
  reading(a, () => {
    done.push('a');
    work.carriedPackets();
    throw new SystemCallError('read', E.ENOMEM);
  });
  reading(b, () => {
    done.push('b');
    work.carriedPackets();
  });

  sendTo(a);
  sendTo(b);
  await eventually(() => expect(done).toEqual(['a', 'b']));
  expect(wait).not.toHaveBeenCalled();
});

test('a poll that cannot be made is not watched', async () => {
  const { reading, work, wait } = await waitingModules();
  const make = vi.spyOn(koffi.node, 'poll').mockImplementationOnce(() => {
    throw new Error('no memory');
  });
  onTestFinished(() => make.mockRestore());
  expect(() => reading(udpSocket(), () => {})).toThrow('no memory');
  const socket = udpSocket();
  reading(socket, () => work.carriedPackets());
  sendTo(socket);
  await eventually(() => expect(wait).toHaveBeenCalled());
  expect(wait.mock.lastCall![1]).toBe(2);
});

function polled(fd: number, onReadable: () => void): Poll {
  const poll = new Poll(fd, onReadable);
  onTestFinished(() => poll.close());
  return poll;
}
