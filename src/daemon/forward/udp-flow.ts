import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { connectUdp } from '../../io/connect-udp.ts';
import type { ForwardRule } from '../../runtime/settings/forward-rule.ts';

/** A flow without datagrams ends after this: before the service has answered, and after. */
const [UNANSWERED_MS, IDLE_MS] = [20_000, 120_000];
/** Datagrams that wait until the name of the service is looked up. */
const MOST_WAITING = 8;
/** Octets that may wait for a socket: more are lost, as UDP has it. */
export const MOST_QUEUED = 256 << 10;

/** The datagrams of one peer. The service sees a port of its own for each. */
export class UdpFlow {
  private readonly onAnswer: (octets: Uint8Array) => void;
  private readonly onEnd: () => void;
  private socket: Socket | undefined;
  private isConnected = false;
  private waiting: Uint8Array[] = [];
  private timer: NodeJS.Timeout;
  private isAnswered = false;
  private ended = false;

  /** `onEnd` is called once, when the flow is idle or its service is gone. */
  constructor(rule: ForwardRule, onAnswer: (octets: Uint8Array) => void, onEnd: () => void) {
    this.onAnswer = onAnswer;
    this.onEnd = onEnd;
    this.timer = setTimeout(() => this.end(), UNANSWERED_MS);
    lookup(rule.host, (error, address, family) => {
      if (error === null && !this.ended) this.open(address, family === 6 ? 'udp6' : 'udp4', rule.hostPort);
      else this.end();
    });
  }

  send(octets: Uint8Array): void {
    if (this.isAnswered) this.timer.refresh();
    const { socket } = this;
    if (!this.isConnected || socket === undefined) {
      if (this.waiting.length < MOST_WAITING) this.waiting.push(octets);
    } else if (socket.getSendQueueSize() <= MOST_QUEUED) socket.send(octets, () => {});
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.waiting = [];
    this.socket?.close();
    this.onEnd();
  }

  private open(address: string, type: 'udp4' | 'udp6', port: number): void {
    const socket = createSocket(type);
    this.socket = socket;
    // Also of a service that is not there: the next datagram begins a new flow.
    socket.on('error', () => this.end());
    socket.on('message', (octets) => {
      if (!this.isAnswered) {
        this.isAnswered = true;
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.end(), IDLE_MS);
      }
      this.timer.refresh();
      this.onAnswer(octets);
    });
    // Connected: datagrams of others do not come in.
    connectUdp(socket, port, address, (isConnected) => {
      if (this.ended) return;
      if (!isConnected) return this.end();
      this.isConnected = true;
      for (const octets of this.waiting) socket.send(octets, () => {});
      this.waiting = [];
    });
  }
}
