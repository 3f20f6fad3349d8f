import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { connectUdp } from '../../io/connect-udp.ts';
import type { ServiceAddresses } from './service-addresses.ts';

/** A flow without datagrams ends after this: before it is confirmed, and after. */
const [FRESH_MS, IDLE_MS] = [20_000, 120_000];
/** Datagrams that wait until the name of the service is looked up. */
const MOST_WAITING = 8;
/** Octets that may wait for a socket: more are lost, as UDP has it. */
export const MOST_QUEUED = 256 << 10;

export interface UdpService {
  readonly addresses: Pick<ServiceAddresses, 'get'>;
  readonly port: number;
}

export interface FlowEvents {
  readonly onAnswer: (octets: Uint8Array) => void;
  /** Called once, when the flow is idle or its service is gone. */
  readonly onEnd: () => void;
  /** The peer has sent again after an answer. */
  readonly onConfirmed: () => void;
}

/** The datagrams of one peer. The service sees a port of its own for each. */
export class UdpFlow {
  private readonly events: FlowEvents;
  private readonly port: number;
  private socket: Socket | undefined;
  private isConnected = false;
  private waiting: Uint8Array[] = [];
  private timer: NodeJS.Timeout;
  private isAnswered = false;
  private isConfirmed = false;
  private ended = false;

  constructor({ addresses, port }: UdpService, events: FlowEvents) {
    this.events = events;
    this.port = port;
    this.timer = setTimeout(() => this.end(), FRESH_MS);
    void this.start(addresses);
  }

  send(octets: Uint8Array): void {
    if (this.isAnswered) this.confirm();
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
    this.events.onEnd();
  }

  private confirm(): void {
    this.events.onConfirmed();
    if (this.isConfirmed) return void this.timer.refresh();
    this.isConfirmed = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(), IDLE_MS);
  }

  /** Never rejects. */
  private async start(addresses: Pick<ServiceAddresses, 'get'>): Promise<void> {
    const [first] = await addresses.get().catch(() => []);
    if (this.ended) return;
    if (first === undefined) return this.end();
    this.open(first.address, first.family === 6 ? 'udp6' : 'udp4');
  }

  private open(address: string, type: 'udp4' | 'udp6'): void {
    const socket = createSocket(type);
    this.socket = socket;
    // Also of a service that is not there: the next datagram begins a new flow.
    socket.on('error', () => this.end());
    socket.on('message', (octets) => {
      this.isAnswered = true;
      this.timer.refresh();
      this.events.onAnswer(octets);
    });
    // Connected: datagrams of others do not come in.
    connectUdp(socket, this.port, address, (isConnected) => {
      if (this.ended) return;
      if (!isConnected) return this.end();
      this.isConnected = true;
      for (const octets of this.waiting) socket.send(octets, () => {});
      this.waiting = [];
    });
  }
}
