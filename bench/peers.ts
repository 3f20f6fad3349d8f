/** Whether a relay that knows many clients carries packets as fast as one that knows one. */
import { Crowd } from './crowd.ts';

export interface Rates {
  /** Packets a second that came out on the other side. */
  readonly up: number;
  readonly down: number;
  /** How many of the clients the relay knows and carries for. */
  readonly known: number;
}

/**
 * On the kernel path. The relay has come to know the clients by the protocol and has offered each to the kernel itself; traffic is spread
 * over all of them, each packet another client's than the one before.
 */
export async function measureWithPeers(clients: number, seconds: number): Promise<Rates> {
  await using crowd = await Crowd.open('kernel');
  await crowd.meet(0, clients);
  // A client counts for 30 s after it was heard, and meeting a million takes longer: all are heard once more.
  const { arrived: known } = await crowd.touch(0, clients);
  // Down first: of clients that have been silent for 3 s while they were sent to the kernel leaves a packet a second to user space.
  const down = await crowd.load('down', clients, seconds);
  const up = await crowd.load('up', clients, seconds);
  return { up: up.arrived / up.seconds, down: down.arrived / down.seconds, known };
}
