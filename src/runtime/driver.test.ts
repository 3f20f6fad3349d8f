import { expect, test } from 'vitest';
import { CommandRing } from '../core/commands.ts';
import { LimitHits } from '../core/limit-hits.ts';
import type { Machine } from '../core/machine.ts';
import type { Clock, Udp } from '../io/ports.ts';
import { MemoryClock } from '../io/memory-clock.ts';
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
