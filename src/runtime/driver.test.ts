import { expect, test, vi } from 'vitest';
import { CommandRing } from '../core/commands.ts';
import { LimitHits } from '../core/limit-hits.ts';
import type { Machine, OffloadingMachine } from '../core/machine.ts';
import type { Clock, DatagramBatch, KernelPath, PacketBatch, Udp } from '../io/ports.ts';
import { work } from '../io/in-place.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryTun } from '../io/memory-tun.ts';
import { Driver } from './driver.ts';

/** Asks for a socket when woken, and sends from it in the same breath. */
class Asking implements Machine {
  readonly commands = new CommandRing();
  readonly counters = {};
  readonly limitHits = new LimitHits();
  handleDatagram(): void {}
  handlePacket(): void {}
  handleTimeout(_now: number): void {}
  pollTimeout(): number {
    return Infinity;
  }
  ask(): void {
    this.commands.event({ type: 'socket-wanted', socket: 2 });
    this.commands.transmit(2, new Uint8Array(8), 0, 8, 0x01020304, 3544);
  }
}

test('CL-100: a datagram that is sent from a socket right after it was wanted leaves', () => {
  const sent: string[] = [];
  const udp = {
    start: () => undefined,
    send: (_b: Uint8Array, _o: number, length: number) => void sent.push(`${length} bytes`),
    flush: () => undefined,
  } as unknown as Udp;
  const machine = new Asking();
  const driver = new Driver(machine, { now: () => 0, setTimer: () => () => undefined }, (event) => {
    if (event.type === 'socket-wanted') driver.attachUdp(event.socket, udp);
  });
  driver.request(() => machine.ask());
  expect(sent).toEqual(['8 bytes']);
});

/** Wants to wake up 5 s after the last request, as most timers of a client move with each packet. */
class Moving extends Asking {
  dueAt = Infinity;
  readonly wokenAt: number[] = [];
  override pollTimeout(): number {
    return this.dueAt;
  }
  override handleTimeout(now: number): void {
    if (now < this.dueAt) return;
    this.wokenAt.push(now);
    this.dueAt = Infinity;
  }
}

test('an instant that moves to a later one costs no new timer, and is kept', () => {
  const [machine, memory] = [new Moving(), new MemoryClock()];
  let timers = 0;
  const clock: Clock = {
    now: () => memory.now(),
    suspended: () => 0,
    setTimer: (at, wake) => {
      timers++;
      return memory.setTimer(at, wake);
    },
  };
  const driver = new Driver(machine, clock, () => undefined);
  for (let i = 0; i < 1_000; i++) {
    driver.request((now) => (machine.dueAt = now + 5_000));
    memory.advance(1);
  }
  expect(timers).toBe(1);
  memory.advance(10_000);
  expect(machine.wokenAt).toEqual([5_999]);
  expect(timers).toBe(2);
  driver.request((now) => (machine.dueAt = now + 5_000));
  driver.request((now) => (machine.dueAt = now + 1));
  memory.advance(1);
  expect(machine.wokenAt).toEqual([5_999, 11_001]);
});

/** Offers a peer at each step, and takes long. */
class Offering extends Asking {
  setOffload(): void {}
  *offerAll(): Generator<void> {
    for (let peer = 1; peer <= 5; peer++) {
      this.commands.offload(new Uint8Array(16), 0, peer, 1, 0, 0);
      const begun = performance.now();
      while (performance.now() - begun < 1.5);
      if (peer < 5) yield;
    }
  }
}

test.each([
  ['when all peers have been offered, in turns', Infinity, [1, 2, 3, 4, 5, 'taken over']],
  ['never, if the kernel path ends before', 2, [1, 2, 'ended']],
])('the programs of a predecessor are replaced %s', (_, last, expected) => {
  const [machine, clock, happened] = [new Offering(), new MemoryClock(), [] as unknown[]];
  const port = {
    hasPredecessor: true,
    start: () => undefined,
    offload: (_b: Uint8Array, _o: number, address: number) => happened.push(address),
    flush: () => happened.at(-1) === last && driver.detachKernelPath(),
    takeOver: () => happened.push('taken over'),
    end: () => happened.push('ended'),
  } as unknown as KernelPath;
  const udp = { start: () => undefined, local: { address: 0, port: 1 }, flush: () => undefined };
  const driver = new Driver(machine, clock, () => undefined);
  driver.attachUdp(0, udp as unknown as Udp);
  driver.attachKernelPath(port, machine as unknown as OffloadingMachine, () => undefined);
  expect(happened).toEqual([1]);
  clock.advance(0);
  expect(happened).toEqual(expected);
});

test('only a turn that carries packets and does nothing else can be followed by a wait in place', () => {
  const [machine, clock] = [new Asking(), new MemoryClock()];
  const driver = new Driver(machine, clock, () => undefined);
  const onlyPackets = (input: () => void): boolean => {
    work.begin();
    input();
    return work.wasPacketsOnly;
  };

  expect(onlyPackets(() => driver.request(() => {}))).toBe(true);
  expect(onlyPackets(() => driver.request(() => machine.ask()))).toBe(false);
  expect(onlyPackets(() => {})).toBe(false);

  const batch = (count: number): DatagramBatch => ({
    count,
    buffer: new Uint8Array(1),
    offsets: new Uint32Array(count),
    lengths: new Uint32Array(count),
    addresses: new Uint32Array(count),
    ports: new Uint16Array(count),
    tos: new Uint8Array(count),
  });
  const tun = new MemoryTun('teredo');
  let read!: (packets: PacketBatch) => void;
  vi.spyOn(tun, 'start').mockImplementation((onPackets) => void (read = onPackets));
  driver.attachTun(tun, () => undefined);
  let receive!: (datagrams: DatagramBatch) => void;
  const udp = { start: (onDatagrams: typeof receive) => void (receive = onDatagrams) };
  driver.attachUdp(0, udp as unknown as Udp);
  for (const take of [read, receive])
    expect([1, 4, 5, 64].map((count) => onlyPackets(() => take(batch(count))))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  // A large batch, and a small one behind it in the same turn.
  expect(onlyPackets(() => [5, 1].forEach((count) => read(batch(count))))).toBe(false);

  driver.onSettled = () => undefined;
  expect(onlyPackets(() => read(batch(1)))).toBe(false);
  driver.onSettled = undefined;
  expect(onlyPackets(() => read(batch(1)))).toBe(true);
  machine.limitHits.uid('queue', 0);
  expect(onlyPackets(() => read(batch(1)))).toBe(false);
  machine.limitHits.take('queue');
  expect(onlyPackets(() => read(batch(1)))).toBe(true);

  const port = { start: () => undefined, flush: () => undefined } as unknown as KernelPath;
  driver.attachKernelPath(port, new Offering() as unknown as OffloadingMachine, () => undefined);
  expect(onlyPackets(() => driver.request(() => {}))).toBe(false);
});
