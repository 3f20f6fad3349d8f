import { AddressPolicy } from '../../core/address-policy.ts';
import { ClientMachine, SOCKET } from '../../core/client/index.ts';
import { BUBBLE_HOP_LIMIT } from '../../core/constants.ts';
import { SERVER_SOCKET, ServerMachine } from '../../core/server/index.ts';
import { DESTINATION, SOURCE, buildBubble } from '../../wire/index.ts';
import type { Endpoint, Ipv6 } from '../../wire/index.ts';
import { LoopedDriver, rehearsalEntropy } from './looped-driver.ts';
import {
  SECONDARY,
  SERVER,
  echoReply,
  echoRequest,
  isEchoRequest,
  mappedPair,
  nativeHost,
  numberOf,
  relayPair,
} from './places.ts';

/** Between two new native hosts: far from all limits of rates. */
const SPACING_MS = 50;
const OWN = mappedPair(0);

/**
 * A client qualifies with a server, then it and native hosts meet, one after the other, and it yields after each. Yields how many packets the
 * client's host got. Also for a server, which answers and forwards meanwhile.
 */
export function* rehearseClient(): Generator<number> {
  const world = new ClientWorld();
  for (const _ of world.qualify()) yield 0;
  for (let nth = 1; ; nth++) {
    world.meet(nth);
    world.pass(SPACING_MS);
    yield world.delivered;
  }
}

class ClientWorld {
  delivered = 0;
  private readonly machine: ClientMachine;
  private readonly client: LoopedDriver;
  private readonly server: LoopedDriver;

  constructor() {
    const policy = new AddressPolicy();
    const servers = [{ primary: SERVER.address, secondary: SECONDARY.address }];
    this.machine = new ClientMachine({ servers, localDiscovery: false, policy }, rehearsalEntropy());
    this.client = new LoopedDriver(this.machine, [SOCKET.service]).attachTun();
    const server = new ServerMachine(
      { primary: SERVER.address, secondary: SECONDARY.address, native: true, policy },
      rehearsalEntropy(),
    );
    this.server = new LoopedDriver(server, Object.values(SERVER_SOCKET)).attachRaw();
  }

  /** At most a second of the world. */
  *qualify(): Generator<void> {
    this.client.driver.request((now) => this.machine.start(now));
    for (let i = 0; i < 20 && this.machine.state !== 'qualified'; i++) {
      this.carry();
      this.pass(SPACING_MS);
      yield;
    }
  }

  /** Every second contact begins at the native host. */
  meet(nth: number): void {
    const [own, native] = [this.machine.address, nativeHost(nth)];
    if (own === undefined) return;
    if (nth % 2 === 0) this.bubbleFrom(nth, native, own);
    else this.client.offer(echoRequest(own, native));
    this.carry();
    for (let i = 0; i < 3; i++) {
      this.client.offer(echoRequest(own, native));
      this.client.receive(SOCKET.service, echoRequest(native, own), relayPair(nth));
      this.carry();
    }
  }

  pass(milliseconds: number): void {
    this.client.pass(milliseconds);
    this.server.pass(milliseconds);
  }

  /** Until nothing is on its way. */
  private carry(): void {
    for (let isMoving = true; isMoving;) {
      isMoving = false;
      for (const { bytes, address, port } of this.client.takeSent()) {
        isMoving = true;
        this.fromClient(bytes, { address, port });
      }
      for (const { bytes, socket } of this.server.takeSent()) {
        isMoving = true;
        this.client.receive(SOCKET.service, bytes, socket === SERVER_SOCKET.primary ? SERVER : SECONDARY);
      }
      for (const request of this.server.takeDelivered()) {
        isMoving = true;
        this.testArrived(request);
      }
      for (const packet of this.client.takeDelivered()) {
        isMoving = true;
        this.delivered++;
        if (isEchoRequest(packet)) this.client.offer(echoReply(packet));
      }
    }
  }

  private fromClient(bytes: Uint8Array, to: Endpoint): void {
    if (to.address === SERVER.address) this.server.receive(SERVER_SOCKET.primary, bytes, OWN);
    else if (to.address === SECONDARY.address) this.server.receive(SERVER_SOCKET.secondary, bytes, OWN);
    else if (bytes.length > 40 && isEchoRequest(bytes))
      this.client.receive(SOCKET.service, echoReply(bytes), to);
  }

  /** The client's test of a native host. Its relay opens the NAT by a bubble, and sends the answer. */
  private testArrived(request: Uint8Array): void {
    const [own, native] = [request.slice(SOURCE, SOURCE + 16), request.slice(DESTINATION, DESTINATION + 16)];
    const nth = numberOf(native, 0);
    this.bubbleFrom(nth, native, own);
    this.client.receive(SOCKET.service, echoReply(request), relayPair(nth));
  }

  private bubbleFrom(nth: number, native: Ipv6, own: Ipv6): void {
    this.server.receive(SERVER_SOCKET.primary, buildBubble(native, own, BUBBLE_HOP_LIMIT), relayPair(nth));
  }
}
