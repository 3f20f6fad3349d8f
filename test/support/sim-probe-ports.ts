import type { ProbePorts } from '../../src/cli/netcheck/probe-socket.ts';
import type { DatagramBatch, Udp } from '../../src/io/ports.ts';
import { Ipv4Host } from '../../src/sim/index.ts';
import type { Internet, Nat, UdpSocket } from '../../src/sim/index.ts';

const FIRST_EPHEMERAL_PORT = 49_152;

/** The ports of a host in the simulated internet, behind a NAT or not. Counts the datagrams that it sends. */
export class SimProbePorts implements ProbePorts {
  readonly clock;
  readonly entropy;
  readonly network;
  readonly host = new Ipv4Host();
  /** Datagrams sent, by address. */
  readonly sent = new Map<number, number>();
  openSockets = 0;
  private readonly internet: Internet;
  private nextPort = FIRST_EPHEMERAL_PORT;

  constructor(internet: Internet, nat?: Nat) {
    const { world } = internet;
    this.internet = internet;
    const address = nat === undefined ? internet.nextPublicAddress() : internet.nextInsideAddress(nat);
    this.host.attach(nat?.inside ?? internet.ipv4, address, nat === undefined ? { delayMs: 25 } : {});
    this.clock = {
      now: () => world.now,
      setTimer: (atMs: number, fn: () => void) => {
        let isWanted = true;
        world.at(atMs, () => isWanted && fn());
        return () => void (isWanted = false);
      },
    };
    this.entropy = world.newEntropy();
    this.network = { ipv4Subnets: () => [{ address, prefixLength: 24, interface: 'eth0' }] };
  }

  openUdp({ port }: { readonly port: number }): Udp {
    const [address] = this.host.addresses;
    let onDatagrams = (_: DatagramBatch): void => {};
    const socket: UdpSocket = this.host.bind(
      address!,
      port === 0 ? this.nextPort++ : port,
      (payload, from, fromPort, tos) =>
        onDatagrams({
          count: 1,
          buffer: payload,
          offsets: Uint32Array.of(0),
          lengths: Uint32Array.of(payload.length),
          addresses: Uint32Array.of(from),
          ports: Uint16Array.of(fromPort),
          tos: Uint8Array.of(tos),
        }),
    );
    this.openSockets++;
    return {
      local: { address: 0, port: socket.port },
      counters: {} as Udp['counters'],
      start: (callback) => void (onDatagrams = callback),
      send: (buffer, offset, length, to, toPort) => {
        this.sent.set(to, (this.sent.get(to) ?? 0) + 1);
        socket.send(buffer.slice(offset, offset + length), to, toPort);
      },
      flush: () => {},
      mergeRuns: () => {},
      close: () => {
        this.openSockets--;
        socket.close();
      },
    };
  }

  /** Runs the world until the promise is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const over = promise.finally(() => (isOver = true));
    while (!isOver) {
      await new Promise(setImmediate);
      if (!isOver && !this.internet.world.step()) throw new Error('no event is left');
    }
    return await over;
  }
}
