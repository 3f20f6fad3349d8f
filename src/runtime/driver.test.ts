import { expect, test } from 'vitest';
import { CommandRing } from '../core/commands.ts';
import { LimitHits } from '../core/limit-hits.ts';
import type { Machine } from '../core/machine.ts';
import type { Udp } from '../io/ports.ts';
import { Driver } from './driver.ts';

/** Asks for a socket when woken, and sends from it in the same breath. */
class Asking implements Machine {
  readonly commands = new CommandRing();
  readonly counters = {};
  readonly limitHits = new LimitHits();
  handleDatagram(): void {}
  handlePacket(): void {}
  handleTimeout(): void {}
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
